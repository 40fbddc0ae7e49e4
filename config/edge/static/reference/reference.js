// No validator badge: it would send the document's address to a stranger.
SwaggerUIBundle({ url: "/v1/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
