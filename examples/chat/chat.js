// A client that loses nothing: it numbers what it says, knows what it has heard, and comes back.

export function join(url, onMessage, onState = () => {}) {
  let socket = null, resume = null, after = 0, n = 0, isOver = false;
  const unsaid = new Map();

  const send = (frame) => {
    if (socket !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  };

  const connect = () => {
    const query = resume === null ? "" : `?resume=${encodeURIComponent(resume)}&after=${after}`;
    socket = new WebSocket(url + query, ["shem.v1"]);
    socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      switch (frame.type) {
        case "hello":
          resume = frame.resume;
          onState("connected");
          for (const [number, text] of unsaid) send({ n: number, text });
          break;
        case "received":
          unsaid.delete(frame.n);
          break;
        case "message":
          if (frame.id > after) {
            after = frame.id;
            onMessage(frame.text);
          }
      }
    };
    socket.onclose = () => {
      onState("away");
      if (!isOver) setTimeout(connect, 200);
    };
  };

  connect();
  return {
    say(text) {
      n += 1;
      unsaid.set(n, text);
      send({ n, text });
    },
    // What a network does now and then.
    cut: () => socket.close(3000),
    leave() {
      isOver = true;
      socket.close(1000);
    },
  };
}
