import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// The built page is what the gateway serves; it is committed, so that no Node is needed to run it.
export default defineConfig({
  plugins: [preact()],
  base: "/",
  build: {
    outDir: "../../gateway/page",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy knows no data: addresses for scripts and styles
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: true,
  },
  worker: { format: "es" },
  server: { proxy: { "/v1": "http://127.0.0.1:8000", "/samples": "http://127.0.0.1:8000" } },
});
