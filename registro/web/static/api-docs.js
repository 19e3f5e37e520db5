// Tries the API from its page.
for (const form of document.querySelectorAll(/** @type {"form"} */ ("form.try"))) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = /** @type {HTMLElement} */ (form.parentElement?.querySelector(".answer"));
    const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
    const query = new URLSearchParams(fields.filter(([, value]) => value));
    const path = new URL(form.action).pathname;
    const address = query.size ? `${path}?${query}` : path;
    answer.hidden = false;
    try {
      const response = await fetch(address);
      const body = await response.json();
      answer.textContent = `GET ${address}\n${response.status}\n\n${JSON.stringify(body, null, 2)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  });
}
