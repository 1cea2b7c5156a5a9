/**
 * The fixed-point logarithm behind straw2: 2^44 * log2(u + 1) for the 16-bit values that a draw hashes to, less 2^48, so that
 * it runs from -2^48 (u = 0) to about 0. Every value is an integer below 2^53 in magnitude, so doubles hold it exactly.
 *
 * The function is Ceph's by its tables, errors included: the fine table is off by a near-constant, so it cannot be computed
 * and is carried as numbers (base 36), which are part of the placement protocol (Ceph: crush/crush_ln_table.h).
 */

/** 2^48 * log2(1 + k/128), k = 0..128. */
const COARSE =
  '0 14brsefhd 28cbzq65w 3c1usndsq 4fgi8rce6 5ikg8pyz9 6ldukf4wv 7nwuv3s35 8q5mniuc3 9s4bc20c3 att26uaaz ' +
  'bv80dweqt cwdaz93hv dx92x15cm exvh1lefw fy8m3mjn2 gycmq8t65 hy7nh3imc ixtssgikn jx771bi01 kwbyhh7mh lv87bmjdn ' +
  'mtw1nfi5u nsblhm5zo oqiys1eq8 poi9drni8 qm9l35gz1 rjt1lw4ht sh4ql40f0 te8rlf1ii ub584yxpz v7u7njg9d w4btikj8u ' +
  'x0m518evu xwp9ghmca ysl9z4ycu zoa9pvdpv 10jsbrbvn0 11f3j4584x 12a7yqzqh4 1355pkmxr0 13zwufz7nw 14uhg63dkx ' +
  '15ovlia7wd 16j3d63zt6 17d4ttfvi8 187022hcvh 190p4htmqp 19u83mgwq0 1anl1xvpp5 1bgs1w0503 1c9t5vb2bs 1d2og8tcez ' +
  '1dvdzc4yke 1enxtfi4zv 1fgc0rsg3l 1g8knkjumt 1h0ns01qvb 1hslg79yqy 1ikdq9zr23 1jc0oaqpog 1k3icavqx5 1kuusalxz2 ' +
  '1lm228zgin 1md483ydhy 1n41bsdj3t 1nutf61bz9 1olgk3ojnv 1pbysf12bv 1q2c5wsnsw 1qskqcppw5 1riojhjy2h 1s8nn152ho ' +
  '1syi2odieu 1to7w391zb 1udt4wvhgc 1v39urh7u1 1vsm38fwyp 1whtvwb32l 1x6xaasnsy 1xvwbytkqu 1ykr2eibg8 1z9hj37gzu ' +
  '1zy3rhi92b 20mlt190l6 21azp5jrxu 21z9h8sopj 22nf6ooj20 23bguu76o3 23zej1o3bt 24n88mqp30 25ay0wew2l 25yjx51fyu ' +
  '26m1ymcf2x 279g6lfl4f 27wqmastmq 28jxayci2t 29709rdvnt 29tzjwngsg 2agv6kbe9y 2b3n6vzs86 2bqbm0r2o1 2ccwh34dvn ' +
  '2czdt73uh0 2dlrng6x7a 2e820xcqiz 2eu8yp2dwz 2fgchtb8xa 2g2cnbla0y 2go9g8xb7y 2ha2xlvcew 2hvt4eitl4 2ihg1miwqs ' +
  '2j2zq92rny 2jog78xtg0 2k9thkfzu8 2kv3m5i0ff 2lgalxllkp 2m1ehttr7u 2mmfaquzh2 2n7d1kzj2r 2ns7r83lmv 2oczgjplqi ' +
  '2oxo6eycvl 2pi9xolb8y 2q2sr70rct 2qn8nsa1ht 2r7loa1r2v 2rrtugjvuo';

/** Nominally 2^48 * log2(1 + k/2^15), k = 0..255. */
const FINE =
  '0 5oy5kow dwqrlc5 jlogyg7 paly7st uzj7dek 10og8fa6 16dd1dg8 1c29m7xd 1hr5yyqa 1ng23lvk 1t4y05dv 1yttol9u ' +
  '24ip4xk4 2a7kd69c 2fwfdbe5 2lla5cz6 2ra4pb13 2wyz15kh 32nt4wm2 38cn0k6e 3e1go4a6 3jqa3ky0 3pf3ay6k 3v3wa80g ' +
  '40sp1egc 46hhkhiu 4c69vh8m 4hv1ydma 4njtt6oj 4t8lfwfx 4yxcuix6 54m4124v 5aauzi3o 5fzlpuu8 5loc84d6 5rd2iap4 ' +
  '5x1skduq 62qiedun 68f80aph 6e3xe4fx 6jsmjv2k 6phbhim2 6v607332 70uooki6 76jcxyw3 7c80za9e 7hwosimq 7nlcdo0s ' +
  '7t9zqqg5 7yymvpxh 84n9smhf 8abwhg4l 8g0iy6vn 8lp56ur7 8rdr7frx 8wzz83tk 92qykdbe 98fjwpvf 9e450zn4 9jspx6n7 ' +
  '9phalaw9 9v5v1cew a0uf9b7u a6iz97bn ac7j10r0 ahw2krii anklwfmu at95014m ayxnvk0h b4m6j0b1 baaoye0y bfz75p6w ' +
  'blnp4xtf brc6w3x9 bx0of7iz c2p5q8n8 c8dmt7ao ce23o3hx cjqkax9m cpf0pome cv3gwdkx d0rwv05s d6gclkdo dc4s4296 ' +
  'dht7ehsy dnhmgv1m dt61b5zu dyufxeo8 e4iubl3g ea78hpa4 efvmfr8v elk05r0c er8dnol6 ewwqxjzz f2l3zd9g f89gt4e6 ' +
  'fdxtetes fjm5sgbx fpahy169 fuytvjye g0n5l0oz g6bh2fen gbzsbs40 gho3d2tq gnce6bkf gt0oricq gyoz4n7b h4d99q4s ' +
  'ha1j6r5r hfpsvqax hle2cnku hr2blj08 hwqkmcln i2etf4ds i831zud8 idraciko ijfih50p ip3qdppy iury28p3 j0g5ipyq ' +
  'j64cr5ji jbsjrjg1 jhgqjvp0 jn4x46b0 jst3gfao jyh9kmon k22r80xp k9tl4wq2 kfhqkzes kl5vt0kc kqu0t07d kwi5kyci ' +
  'l26a4v0e l6ywgeag ldiikjyx lj6mgcau louq4382 luitjsr6 m06wrgwt m5uzr3pn mbj2ip6a mh7529be mmv7ds5k msj9h9pf ' +
  'my7bcpzn n3vd050u n9jefitn nf7fmveo nkvgm6sl nqjhdh00 nw7hwq1l o1vi7xxx o7jib4pn od7i6adf oivhtexv oojh8ifl ' +
  'ou7gfkv9 ozvfem9i p5je5mmx pb7com07 pgvazkdx pmj92hsq ps76xe99 pxv4k9s6 q3j1z4e1 q96z5y3j qeuw4qxa qkisvivx ' +
  'qq6pea03 qvulp0ad r1ihrprf r76dmefx rcu992cf rii4nphm ro5zubw3 rttusxkj rzhpjiji s55k22to satecmfo sgh8f5e5 ' +
  'slghtogi srsvw5ey sxgpamik t33coaqg t8sbfizc teg45yds tk3wod93 to9993m7 tvfh15gu u138viuk u6r0hvrn ucerw88r ' +
  'uhb09tu6 unqa0vxk ute0r76j uz1r9i21 v4phjskp v8zw0d5w veq8mqmz vkwrdk4f vrccgvfp vx01n4fp w04vwtfi w8bfblp4 ' +
  'wdz3ttzu wjms423d wp31eb8l wuy40hri x0lrmpdc x5v88huj xbx2747q xgqjpsoy xn8bvioj xsvydptf xyjknwwu y1oc1k89 ' +
  'y9uskb1n yfie6i4b yl5zkp80 yqtkqwdb ywh5p3kx yzlvqr4b z7saxi9f zdfv7prm zi1n7i39 zoqz456y zskpn4nv zyr8dy5b ' +
  '103g14fia 10bd49275 10g4a9b57 10mo5hk21 10pst39mr 10xz5u305 113c7nnfl 1196mt9at 11ces0e0s 11i296oz3 11npq50ay ' +
  '11ul0q6pu 120y62ihb 1276yckhf 12abjqdqr 12fyzkr7w 12lmf756e 12r9uljmu 12x39d83w 132koqe46 13883gu6a 13dvhzasu ' +
  '13jiw9s0j 13p6ac9ty 13uto6s9p 140h1tbcg 1464f7v2s';

const numbers = (text: string): number[] => text.split(' ').map((word) => Number.parseInt(word, 36));

function fillTable(): void {
  const coarse = numbers(COARSE);
  const fine = numbers(FINE);
  // ceil(2^55 / (128 + k)), in two halves of 24 bits so that products with 17 bits stay exact.
  const reciprocals = coarse.map((_, k) => (2n ** 55n + BigInt(127 + k)) / BigInt(128 + k));
  const high = reciprocals.map((r) => Number(r >> 24n));
  const low = reciprocals.map((r) => Number(r & 0xffffffn));
  for (let u = 0; u < 0x10000; u++) {
    // Normalized to 16 or 17 bits: x = (u + 1) << shift, with x in [2^15, 2^16].
    const shift = Math.max(0, Math.clz32(u + 1) - 16);
    const x = (u + 1) * 2 ** shift;
    const k = (x >> 8) - 128;
    // x * reciprocal / 2^48: its low byte says how far x lies above the coarse step.
    const product = Math.floor((x * high[k]! + Math.floor((x * low[k]!) / 2 ** 24)) / 2 ** 24);
    lnTable[u] = (15 - shift) * 2 ** 44 + Math.floor((coarse[k]! + fine[product % 256]!) / 16) - 2 ** 48;
  }
}

/** Indexed by the low 16 bits of the draw's hash. */
export const lnTable = new Float64Array(0x10000);

/** For every entry of the table the number of different values below it: what order the logarithms have, in a quarter of the memory. */
export const lnRanks = new Uint16Array(0x10000);

let isFilled = false;

/** Fills both tables, which takes some milliseconds, at the first call: whoever only imports this does not pay for it. */
export function fillLnTables(): void {
  if (isFilled) return;
  isFilled = true;
  fillTable();
  fillRanks();
}

function fillRanks(): void {
  const values = lnTable.slice().sort();
  let count = 0;
  for (let u = 0; u < values.length; u++) if (u === 0 || values[u] !== values[count - 1]) values[count++] = values[u]!;
  // All but sorted, so each rank is found a step from the last one's.
  let rank = 0;
  for (let u = 0; u < lnRanks.length; u++) {
    const value = lnTable[u]!;
    while (values[rank]! < value) rank++;
    while (values[rank]! > value) rank--;
    lnRanks[u] = rank;
  }
}
