let naps = 0;
let drawn = ["", 0];

export const api = {
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
