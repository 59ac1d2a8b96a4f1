// Starts Swagger UI. A file of its own because the Content-Security-Policy forbids inline scripts.
SwaggerUIBundle({
  dom_id: "#docs",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  requestSnippetsEnabled: true,
  validatorUrl: null, // the default posts the document's address to validator.swagger.io
});
