// Shows the OpenAPI document with Redoc.

Redoc.init("openapi.json", { hideLogo: true, nativeScrollbars: true }, document.getElementById("redoc"));
