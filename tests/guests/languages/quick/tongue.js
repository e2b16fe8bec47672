// For QuickJS: the language alone, so nothing is printed, and 64-bit integers are numbers.

let total = 0;

export const api = {
  add(value) {
    total += value;
    return total;
  },
  get() {
    return total;
  },
  describe(items) {
    if (items.length === 0) throw "no items";
    return items.map(({ name, quantity }) => `${quantity} x ${name}`).join(", ");
  },
  turn(given) {
    if (given.tag === "nothing") return undefined;
    return given.tag === "circle" ? { tag: "circle", val: -given.val } : given;
  },
  say() {},
  fail() {
    null.fail();
  },
};
