module.exports = { rollcall: { input: "../openapi.json", output: { target: "./generated.ts" } } };
