// Starts Swagger UI on this server's own description. Credentials that are typed in are kept in the page only, and no
// validator elsewhere is sent the description.
SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
