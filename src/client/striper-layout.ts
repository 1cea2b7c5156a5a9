/** Where the bytes of a striped object are (osdc/Striper). Pure. */

export interface StripeLayout {
  /** Bytes that go to one object before the next one's turn. A multiple of 64 KiB. */
  readonly stripeUnit: number;
  /** Objects that take turns. */
  readonly stripeCount: number;
  /** Bytes of an object; a multiple of the stripe unit. */
  readonly objectSize: number;
}

/** Bytes of one object, and where they are in the caller's buffer. */
export interface Extent {
  readonly object: number;
  /** Offset in the object. */
  readonly at: number;
  length: number;
  readonly parts: { readonly from: number; length: number }[];
}

/** The extents of `length` bytes from `offset` on; what is one piece in an object is one extent. */
export function extentsOf(layout: StripeLayout, offset: number, length: number): Extent[] {
  const { stripeUnit, stripeCount, objectSize } = layout;
  const unitsPerObject = objectSize / stripeUnit;
  const extents: Extent[] = [];
  const open = new Map<number, Extent>();
  for (let done = 0; done < length; ) {
    const position = offset + done;
    const unit = Math.floor(position / stripeUnit);
    const stripe = Math.floor(unit / stripeCount);
    const set = Math.floor(stripe / unitsPerObject);
    const object = set * stripeCount + (unit % stripeCount);
    const inUnit = position % stripeUnit;
    const at = (stripe % unitsPerObject) * stripeUnit + inUnit;
    const n = Math.min(stripeUnit - inUnit, length - done);
    const before = open.get(object);
    if (before !== undefined && before.at + before.length === at) {
      before.length += n;
      const last = before.parts.at(-1)!;
      if (last.from + last.length === done) last.length += n;
      else before.parts.push({ from: done, length: n });
    } else {
      const extent: Extent = { object, at, length: n, parts: [{ from: done, length: n }] };
      open.set(object, extent);
      extents.push(extent);
    }
    done += n;
  }
  return extents;
}

/** Number of objects that content of `size` bytes may be in. */
export function objectCount({ stripeUnit, stripeCount, objectSize }: StripeLayout, size: number): number {
  const setSize = objectSize * stripeCount;
  const units = Math.ceil((size % setSize) / stripeUnit);
  return Math.floor(size / setSize) * stripeCount + Math.min(units, stripeCount);
}

/** Gives how many bytes each object has, where the whole has `size`. */
export function objectSizesAt(layout: StripeLayout, size: number): (object: number) => number {
  const { stripeUnit, stripeCount, objectSize } = layout;
  const setSize = objectSize * stripeCount;
  const lastSet = Math.floor(size / setSize);
  const inSet = size % setSize;
  const fullStripes = Math.floor(inSet / (stripeUnit * stripeCount));
  const inStripe = inSet % (stripeUnit * stripeCount);
  return (object) => {
    const set = Math.floor(object / stripeCount);
    if (set !== lastSet) return set < lastSet ? objectSize : 0;
    const turn = object % stripeCount;
    return fullStripes * stripeUnit + Math.min(stripeUnit, Math.max(0, inStripe - turn * stripeUnit));
  };
}
