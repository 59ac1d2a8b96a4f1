// Starts ReDoc. A file of its own because the Content-Security-Policy forbids inline scripts.
const fontFamily = "system-ui, sans-serif"; // the default names web fonts that would have to be fetched

Redoc.init(
  "openapi.json",
  { nativeScrollbars: true, theme: { typography: { fontFamily, headings: { fontFamily } } } },
  document.getElementById("docs"),
);
