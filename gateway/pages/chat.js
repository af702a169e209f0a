"use strict";
(() => {
  const talk = document.getElementById("talk");
  const form = document.getElementById("chat");
  const box = document.getElementById("message");
  const button = form.querySelector("button");
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const session = sessionStorage.getItem(location.pathname) || fresh;
  sessionStorage.setItem(location.pathname, session);

  function say(text, own) {
    const line = document.createElement("li");
    line.textContent = text;
    if (own) line.className = "own";
    talk.append(line);
    line.scrollIntoView({ block: "end" });
    return line;
  }

  function hear(event, line) {
    let type = "message", data = "";
    for (const row of event.split("\n")) {
      if (row.startsWith("event: ")) type = row.slice(7);
      if (row.startsWith("data: ")) data += row.slice(6);
    }
    if (!data) return;
    const told = JSON.parse(data);
    if (type === "delta") {
      line.textContent = (line.dataset.begun ? line.textContent : "") + told.text;
      line.dataset.begun = "yes";
    }
    if (type === "reply") line.textContent = told.reply;
    if (type === "error") line.textContent = told.message || told.detail || "That did not work.";
  }

  async function ask(message, line) {
    const answer = await fetch(location.href, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify({ message, session_id: session }),
    });
    if (!answer.ok || !answer.body) throw new Error("refused");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) hear(event, line);
    }
  }

  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const message = box.value.trim();
    if (!message || button.disabled) return;
    say(message, true);
    box.value = "";
    button.disabled = true;
    const line = say("…", false);
    try {
      await ask(message, line);
    } catch {
      line.textContent = "That did not work. Try again.";
    }
    button.disabled = false;
    box.focus();
  });

  box.addEventListener("keydown", (key) => {
    if (key.key === "Enter" && !key.shiftKey && !key.isComposing) {
      key.preventDefault();
      form.requestSubmit();
    }
  });
})();
