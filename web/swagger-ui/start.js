// Starts Swagger UI on this server's own description. Credentials that are typed in are kept in the page only, and no
// validator elsewhere is sent the description.
(function () {
  "use strict";

  // Swagger UI has dark colours, but goes by a button of a bar that this page does not have.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const color = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", color);
  color();

  // What Swagger UI leaves out for screen readers and keyboards, by selector. It may run more than once on an element.
  const mends = {
    // A link inside of a button; the button already does what the link does.
    ".opblock-summary-control a[href]": (link) => link.removeAttribute("href"),
    ".copy-to-clipboard button:not([aria-label])": (button) => button.setAttribute("aria-label", "Copy to clipboard"),
    ".close-modal:not([aria-label])": (button) => button.setAttribute("aria-label", "Close"),
    // Names that differ from the visible text, by which a person would call a button.
    ".auth-btn-wrapper button[aria-label]": (button) => button.removeAttribute("aria-label"),
    // Regions that scroll, and texts without a label.
    "pre.microlight:not([tabindex]), .curl:not([tabindex])": (text) => text.setAttribute("tabindex", "0"),
    "textarea.body-param__text:not([aria-label])": (text) => text.setAttribute("aria-label", "Request body"),
    // Selections beside their label, but not within it.
    "#servers:not([aria-label])": (select) => select.setAttribute("aria-label", "Server"),
    "tr[data-param-name] select:not([aria-label])": (select) =>
      select.setAttribute("aria-label", select.closest("tr").dataset.paramName),
    // The same label and id in every scheme.
    ".auth-container input:not([data-named])": (input) => {
      const scheme = input.closest(".auth-container").querySelector("h4 code");
      const label = input.closest(".wrapper").querySelector("label");
      input.setAttribute("aria-label", `${scheme ? scheme.textContent : ""} ${label ? label.textContent : ""}`.trim());
      input.setAttribute("data-named", "");
    },
  };
  const mend = () => {
    for (const [selector, change] of Object.entries(mends)) document.querySelectorAll(selector).forEach(change);
  };
  new MutationObserver(mend).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });

  // The description with the examples of optional parameters as text: Swagger UI would fill them in, and so send filters
  // that a person did not choose.
  const description = new URL("../openapi.json", document.baseURI).href;
  const withEmptyFilters = (text) => {
    const described = JSON.parse(text);
    const operations = Object.values(described.paths).flatMap((item) => Object.values(item));
    for (const parameter of operations.flatMap((operation) => operation.parameters || [])) {
      if (parameter.required || parameter.example === undefined) continue;
      const example = [parameter.example].flat().join(", ");
      parameter.description = `${parameter.description || ""}\n\nExample: \`${example}\``.trim();
      delete parameter.example;
    }
    return JSON.stringify(described);
  };

  SwaggerUIBundle({
    url: "../openapi.json",
    responseInterceptor: (response) => {
      if (response.url === description && response.ok) response.text = withEmptyFilters(response.text);
      return response;
    },
    dom_id: "#swagger-ui",
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
})();
