// Random CRUSH maps in text form, from a seed: hierarchies of depth 1 to 5, every bucket algorithm, weights from none to very uneven, several
// roots, links, classes, choose_args, odd tunables, every kind of rule step. Used by compare.mjs and vectors.mjs.

/** A small seeded generator (mulberry32). */
export function seeded(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    /** Integer in [low, high]. */
    int: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (p) => next() < p,
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

export const ALGS = ['uniform', 'list', 'tree', 'straw', 'straw2'];
const LEVELS = ['host', 'rack', 'row', 'datacenter'];

const TUNABLES = {
  argonaut: [],
  bobtail: [
    'choose_local_tries 0',
    'choose_local_fallback_tries 0',
    'choose_total_tries 50',
    'chooseleaf_descend_once 1',
  ],
};
TUNABLES.firefly = [...TUNABLES.bobtail, 'chooseleaf_vary_r 1'];
TUNABLES.hammer = [...TUNABLES.firefly, 'straw_calc_version 1', 'allowed_bucket_algs 54'];
TUNABLES.jewel = [...TUNABLES.hammer, 'chooseleaf_stable 1'];
export const PROFILES = Object.keys(TUNABLES);

function tunables(random) {
  if (random.chance(0.75)) return random.chance(0.4) ? TUNABLES.jewel : TUNABLES[random.pick(Object.keys(TUNABLES))];
  return [
    `choose_local_tries ${random.int(0, 4)}`,
    `choose_local_fallback_tries ${random.int(0, 6)}`,
    `choose_total_tries ${random.int(0, 60)}`,
    `chooseleaf_descend_once ${random.int(0, 1)}`,
    `chooseleaf_vary_r ${random.int(0, 4)}`,
    `chooseleaf_stable ${random.int(0, 1)}`,
    `straw_calc_version ${random.int(0, 1)}`,
  ];
}

function weights(random) {
  const style = random.int(0, 5);
  const big = random.int(1, 60);
  return () => {
    if (style === 0) return 1;
    if (style === 1) return random.int(1, 4);
    if (style === 2) return random.next() * 10;
    if (style === 3) return random.chance(0.3) ? 0 : random.next() * 3;
    if (style === 4) return 10 ** (random.next() * 4 - 2.5);
    return random.chance(0.9) ? 0.5 : big;
  };
}

/**
 * Rules for every step and mode: choose and chooseleaf, one level and two, with all settings, from one root and from two, firstn and indep.
 * `below` are the types that can be chosen, devices first; `take` gives a take step, `settings` all set_ steps.
 */
function everyStep(random, below, take, settings) {
  const upper = () => random.pick(below.length > 1 ? below.slice(1) : below);
  const rules = [];
  for (const mode of ['firstn', 'indep']) {
    const count = () => random.pick([0, 0, 0, -1, 2, 5]);
    const twoLevels = (leaf) => {
      const at = below.length > 1 ? random.int(1, below.length - 1) : 0;
      const first = `\tstep choose ${mode} ${random.int(0, 3)} type ${below[at]}`;
      if (at === 0) return [first];
      return [
        first,
        leaf
          ? `\tstep chooseleaf ${mode} ${random.int(1, 2)} type ${below[random.int(0, at - 1)]}`
          : `\tstep choose ${mode} ${random.int(1, 3)} type osd`,
      ];
    };
    const bodies = [
      [take(), `\tstep choose ${mode} ${count()} type osd`],
      [take(), `\tstep chooseleaf ${mode} ${count()} type ${upper()}`],
      [take(), ...twoLevels(false)],
      [take(), ...twoLevels(true)],
      [...settings(), take(), `\tstep chooseleaf ${mode} ${count()} type ${upper()}`],
      [
        take(),
        `\tstep chooseleaf ${mode} ${random.int(1, 2)} type ${upper()}`,
        '\tstep emit',
        take(),
        `\tstep choose ${mode} ${count()} type osd`,
      ],
    ];
    for (const body of bodies) rules.push({ mode, steps: [...body, '\tstep emit'] });
  }
  return rules;
}

/**
 * `{ text, rules, devices, deviceWeights }`: the map's text, the number of its rules, device ids, and some devices' weights as the test should
 * have them (`[id, weight]`, weight 0 to 1). With `cell` all buckets have its `alg`, the tunables are its `profile`, and there is a rule for every
 * step and mode.
 */
export function randomMap(seed, cell) {
  const random = seeded(seed);
  const depth = random.int(0, LEVELS.length);
  const types = [...LEVELS.slice(0, depth), 'root'];
  const algs =
    cell !== undefined ? [cell.alg] : random.chance(0.4) ? ['straw2'] : random.chance(0.5) ? [random.pick(ALGS)] : ALGS;
  // Shadows of uniform buckets cannot be made, those of trees are left to chance by Ceph.
  const withClasses = random.chance(0.5) && cell?.alg !== 'uniform' && cell?.alg !== 'tree';
  const weightOf = weights(random);

  const devices = [];
  const deviceLines = [];
  let id = random.int(0, 3);
  const count = random.int(1, 60);
  for (let i = 0; i < count; i++) {
    devices.push(id);
    const cls = withClasses && random.chance(0.85) ? ` class ${random.pick(['hdd', 'ssd', 'nvme'])}` : '';
    deviceLines.push(`device ${id} osd.${id}${cls}`);
    id += random.chance(0.1) ? random.int(2, 5) : 1;
  }

  const bucketLines = [];
  const buckets = []; // { name, type, items: [name], bucketId, alg }
  const nextIds = random.chance(0.5) ? undefined : { id: -1 };
  let serial = 0;
  const addBucket = (type, members) => {
    let alg = random.pick(algs);
    // A tree holds 64 at most; shadows of uniform buckets cannot be made, which ends in a map of half a set of shadows: rarely.
    if (alg === 'tree' && members.length > 60) alg = 'straw2';
    if (alg === 'uniform' && withClasses && random.chance(0.9)) alg = 'straw2';
    // Ceph leaves nodes of trees that are built item by item, as shadows are, to chance.
    if (alg === 'tree' && withClasses) alg = 'straw2';
    const name = `${type}${serial++}`;
    const lines = [`${type} ${name} {`];
    let bucketId;
    if (nextIds !== undefined) {
      bucketId = nextIds.id;
      nextIds.id -= random.chance(0.1) ? random.int(2, 4) : 1;
      lines.push(`\tid ${bucketId}`);
    }
    lines.push(`\talg ${alg}`, `\thash ${random.chance(0.03) ? 1 : 0}\t# a comment`);
    const uniform = (Math.max(0.001, weightOf()) || 1).toFixed(3);
    const order = members.map((_, i) => i);
    const withPos = random.chance(0.1);
    if (withPos) order.sort(() => random.next() - 0.5);
    members.forEach((member, i) => {
      const explicit = member.leaf || alg === 'uniform' || random.chance(0.2);
      const weight = alg === 'uniform' ? uniform : weightOf().toFixed(3);
      lines.push(`\titem ${member.name}${explicit ? ` weight ${weight}` : ''}${withPos ? ` pos ${order[i]}` : ''}`);
    });
    lines.push('}');
    bucketLines.push(lines.join('\n'));
    const bucket = { name, type, size: members.length, bucketId, alg, leaf: false };
    buckets.push(bucket);
    return bucket;
  };

  let layer = devices.map((osd) => ({ name: `osd.${osd}`, leaf: true }));
  const everything = [...layer];
  types.forEach((type, level) => {
    const last = level === types.length - 1;
    const groups = last ? random.int(1, 2) : Math.max(1, Math.round(layer.length / random.int(1, 6)));
    const next = Array.from({ length: groups }, () => []);
    layer.forEach((member, i) => {
      // Mostly even, sometimes lumpy.
      next[random.chance(0.7) ? i % groups : random.int(0, groups - 1)].push(member);
    });
    if (random.chance(0.15)) next.push([]);
    // A link: something that is already elsewhere.
    if (random.chance(0.1)) {
      const target = random.pick(next);
      const extra = random.pick(layer);
      if (extra !== undefined && !target.includes(extra)) target.push(extra);
    }
    layer = next
      .filter((members) => members.length > 0 || !random.chance(0.5))
      .map((members) => addBucket(type, members));
    if (layer.length === 0) layer = [addBucket(type, [])];
    everything.push(...layer);
  });
  const roots = layer;

  const ruleLines = [];
  const below = ['osd', ...types.slice(0, -1)];
  const classes = withClasses ? [...new Set(deviceLines.flatMap((l) => l.split(' class ')[1] ?? []))] : [];
  const uniformShadow = withClasses && buckets.some((b) => b.alg === 'uniform');
  const take = () => {
    const root = random.chance(0.85) ? random.pick(roots) : random.pick(everything);
    const cls =
      !root.leaf && !uniformShadow && classes.length > 0 && random.chance(0.4) ? ` class ${random.pick(classes)}` : '';
    return `\tstep take ${root.name}${cls}`;
  };
  const settings = () =>
    [
      'choose_tries 100',
      'chooseleaf_tries 5',
      `choose_local_tries ${random.int(0, 3)}`,
      `choose_local_fallback_tries ${random.int(0, 5)}`,
      `chooseleaf_vary_r ${random.int(0, 3)}`,
      `chooseleaf_stable ${random.int(0, 1)}`,
    ]
      .filter(() => random.chance(0.2))
      .map((s) => `\tstep set_${s}`);
  const addRule = (mode, steps) => {
    const rule = ruleLines.length;
    const type = mode === 'firstn' ? 'replicated' : 'erasure';
    ruleLines.push(
      `rule r${rule} {\n\tid ${rule}\n\ttype ${type}\n\tmin_size 1\n\tmax_size 10\n${steps.join('\n')}\n}`,
    );
  };
  const allSettings = () => [
    `\tstep set_choose_tries ${random.int(1, 100)}`,
    `\tstep set_chooseleaf_tries ${random.int(1, 10)}`,
    `\tstep set_choose_local_tries ${random.int(0, 3)}`,
    `\tstep set_choose_local_fallback_tries ${random.int(0, 5)}`,
    `\tstep set_chooseleaf_vary_r ${random.int(0, 3)}`,
    `\tstep set_chooseleaf_stable ${random.int(0, 1)}`,
  ];
  if (cell !== undefined) {
    for (const { mode, steps } of everyStep(random, below, take, allSettings)) addRule(mode, steps);
  }
  const ruleCount = cell !== undefined ? 0 : random.int(3, 6);
  for (let rule = 0; rule < ruleCount; rule++) {
    const mode = random.pick(['firstn', 'indep']);
    const steps = [...settings()];
    const segments = random.chance(0.2) ? 2 : 1;
    for (let s = 0; s < segments; s++) {
      steps.push(take());
      const number = segments === 2 && s === 0 ? random.int(1, 2) : random.pick([0, 0, 0, 0, -1, 2, 5]);
      const shape = random.int(0, 4);
      if (shape === 0) steps.push(`\tstep choose ${mode} ${number} type osd`);
      else if (shape <= 2) steps.push(`\tstep chooseleaf ${mode} ${number} type ${random.pick(below)}`);
      else {
        const upper = random.int(0, below.length - 1);
        steps.push(`\tstep choose ${mode} ${random.int(0, 3)} type ${below[upper]}`);
        if (random.chance(0.3)) steps.push(...settings());
        if (upper > 0)
          steps.push(
            `\tstep ${random.chance(0.5) ? `chooseleaf ${mode} ${random.int(1, 2)} type ${below[random.int(0, upper - 1)]}` : `choose ${random.pick(['firstn', 'indep'])} ${random.int(1, 3)} type osd`}`,
          );
      }
      steps.push('\tstep emit');
    }
    addRule(mode, steps);
  }

  const chooseArgLines = [];
  if (nextIds !== undefined && random.chance(0.4)) {
    const straw2 = buckets.filter((b) => b.alg === 'straw2' && b.bucketId !== undefined);
    for (const key of random.chance(0.5) ? [0] : [0, 3]) {
      const positions = random.int(1, 3);
      const args = straw2
        .filter(() => random.chance(0.7))
        .map((b) => {
          const set = Array.from(
            { length: positions },
            () => `      [ ${Array.from({ length: b.size }, () => `${(random.next() * 4).toFixed(3)} `).join('')}]`,
          );
          const ids = random.chance(0.3)
            ? `    ids [ ${Array.from({ length: b.size }, () => `${random.int(-3000, 3000)} `).join('')}]\n`
            : '';
          return `  {\n    bucket_id ${b.bucketId}\n    weight_set [\n${set.join('\n')}\n    ]\n${ids}  }`;
        });
      chooseArgLines.push(`choose_args ${key} {\n${args.join('\n')}\n}`);
    }
  }

  const deviceWeights = [];
  if (random.chance(0.6)) {
    for (const osd of devices) {
      if (random.chance(0.15)) deviceWeights.push([osd, random.pick([0, 0, 0.25, 0.5, 0.9])]);
    }
  }
  const text = [
    '# begin crush map',
    ...(cell === undefined ? tunables(random) : TUNABLES[cell.profile]).map((t) => `tunable ${t}`),
    '\n# devices',
    ...deviceLines,
    '\n# types',
    'type 0 osd',
    ...types.map((type, i) => `type ${i + 1} ${type}`),
    '\n# buckets',
    ...bucketLines,
    '\n# rules',
    ...ruleLines,
    ...(chooseArgLines.length > 0 ? ['\n# choose_args', ...chooseArgLines] : []),
    '\n# end crush map\n',
  ].join('\n');
  return { text, rules: ruleLines.length, devices, deviceWeights };
}
