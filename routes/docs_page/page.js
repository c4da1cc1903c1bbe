"use strict";
// Shows /openapi.json and sends nothing else: a page that offers to try calls out would ask for
// passwords and tokens, and this API is not for browsers.
window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#page",
    supportedSubmitMethods: [],
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    plugins: [{ wrapComponents: { authorizeBtn: () => () => null } }],
  });
});
