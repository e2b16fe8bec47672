let total = 0n;

export const api = {
  add(value) {
    total += value;
    return total;
  },
  describe(items) {
    if (items.length === 0) throw "no items";
    return items.map(({ name, quantity }) => `${quantity} x ${name}`).join(", ");
  },
};
