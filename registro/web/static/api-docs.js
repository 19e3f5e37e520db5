// Tries the API from its page.
for (const form of document.querySelectorAll(/** @type {"form"} */ ("form.try"))) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = /** @type {HTMLElement} */ (form.parentElement?.querySelector(".answer"));
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    // Names in braces are part of the address; the rest of a POST is its body.
    const path = decodeURI(new URL(form.action).pathname).replace(/\{(\w+)\}/g, (_, name) => {
      const value = encodeURIComponent(fields[name]);
      delete fields[name];
      return value;
    });
    const post = form.method === "post";
    const query = post ? "" : new URLSearchParams(Object.entries(fields).filter(([, value]) => value)).toString();
    const address = query ? `${path}?${query}` : path;
    const body = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
    answer.hidden = false;
    try {
      const response = await fetch(address, post ? body : {});
      const told = await response.json();
      answer.textContent = `${form.method.toUpperCase()} ${address}\n${response.status}\n\n${JSON.stringify(told, null, 2)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  });
}
