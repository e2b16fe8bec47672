let total = 0n;
let naps = 0;
let drawn = ["", 0];

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

export const web = {
  async post(url, text) {
    const answer = await fetch(url, { method: "POST", body: text });
    return [answer.status, await answer.text()];
  },
  async nap(ms) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    console.log(`slept ${ms} ms`);
    naps += 1;
    return naps;
  },
  roll() {
    drawn = [crypto.randomUUID(), Math.random()];
    return drawn;
  },
  rolled() {
    return drawn;
  },
};
