export * from './api.ts';
export * from './caps/index.ts';
export { Authorizer, AuthorizerVerifier, type KeyStore } from './cephx/authorizer.ts';
export { CephxClientHandler } from './cephx/client.ts';
export { CephxServiceHandler, type GlobalIdStatus, type ServiceReply } from './cephx/service.ts';
export {
  ClientAuth,
  type ClientAuthOptions,
  type MonAttemptObserver,
  type MonAuthSession,
  MonPeerAuth,
} from './client-auth.ts';
export { CryptoKey, cryptoKey, cryptoType } from './crypto.ts';
export { AuthError } from './error.ts';
export { type KeyIncremental, KeyServer, keyIncremental, RotatingKeyRing, type TicketLifetimes } from './key-server.ts';
export { KeyRing } from './keyring.ts';
export * from './records.ts';
export { AuthRegistry } from './registry.ts';
export { MonServerAuth, type MonServerAuthOptions, ServiceServerAuth } from './server-auth.ts';
