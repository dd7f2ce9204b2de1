// Passkeys: the options ride in the form, the answer goes into its hidden field, and the form is sent as any other.
for (const form of document.querySelectorAll("form[data-webauthn]")) {
  form.addEventListener("submit", async (event) => {
    if (form.elements.response.value) return;
    event.preventDefault();
    const problem = form.querySelector("[data-problem]");
    problem.hidden = true;
    try {
      const options = JSON.parse(form.dataset.options);
      const credential = form.dataset.webauthn === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.response.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      problem.hidden = false;
      problem.focus();
    }
  });
}
