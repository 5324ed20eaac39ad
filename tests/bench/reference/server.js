// server.js: the service's busiest endpoints on Node's http and pg, for comparison; with
// FRAMEWORK=express on Express and jose. It runs the service's own statements on the service's
// database, authenticates, checks its input and logs.
//
// LISTEN: Unix socket. DATABASE_URL. STATEMENTS: file with "<name> NUL <SQL> NUL ...".
// KEY: PEM file. WEBHOOK_SECRET. CONNECTIONS: to the database, of all processes. PROCESSES.
"use strict";

const cluster = require("cluster");
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");

const BODY_MAX = 1024 * 1024;
const LEASE_MS = 72 * 3600 * 1000;
// Reports that an answer adds to the sums, as the service does.
const PENDING_MAX = 50;
// Instances of a day that were never seen.
const NEW_INSTANCES_MAX = 1000000;
const WELL_FORMED = /^(gba|cust_[0-9a-f]{32})_[0-9a-f]{64}$/;
const env = process.env;

class Failure extends Error {
    constructor(status, code) {
        super(code);
        this.status = status;
        this.code = code;
    }
}

let pool, statements, privateKey, jose;
const counts = new Map();

// Parameters that the statement got since this program was written are NULL.
async function query(name, values) {
    const text = statements.get(name);
    if (!counts.has(name)) {
        const numbers = Array.from(text.matchAll(/\$(\d+)/g), (found) => Number(found[1]));
        counts.set(name, Math.max(0, ...numbers));
    }
    while (values.length < counts.get(name)) values.push(null);
    return (await pool.query({ name, text, values })).rows;
}

// The digest of the request's API key.
function digest(request) {
    const key = request.headers["x-api-key"] || "";
    if (!WELL_FORMED.test(key)) throw new Failure(401, "unauthenticated");
    return crypto.createHash("sha256").update(key).digest();
}

// Decides by the key that a statement has found.
function admit(row, prefix, sum, customer, scope) {
    const stored = row[prefix + "digest"];
    if (!stored || !crypto.timingSafeEqual(stored, sum) || row[prefix + "revoked_at"])
        throw new Failure(401, "unauthenticated");
    const owner = row[prefix + "customer_id"];
    if (owner === null) return;
    if (customer === null) throw new Failure(403, "forbidden");
    if (owner !== customer) throw new Failure(404, "customer_not_found");
    if (!row[prefix + "scopes"].includes(scope)) throw new Failure(403, "scope_missing");
}

function health() {
    return [200, { status: "healthy", service: "reference", timestamp: new Date().toISOString() }];
}

async function customers(request, url) {
    const limit = Number(url.searchParams.get("limit"));
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new Failure(400, "invalid_request");
    const sum = digest(request);
    const keys = await query("api_key_find", [sum]);
    if (keys.length === 0) throw new Failure(401, "unauthenticated");
    admit(keys[0], "", sum, null, "");
    let rows = await query("customer_list", [null, null, limit + 1, 0, new Date()]);
    let cursor = null;
    if (rows.length > limit) {
        rows = rows.slice(0, limit);
        const last = rows[limit - 1];
        cursor = Buffer.from(`${last.created_at.getTime()}:${last.customer_id}`).toString("base64url");
    }
    return [200, { customers: rows, limit, next_cursor: cursor }];
}

function claimsOf(row, customer, jti, now) {
    return {
        iss: "billing-service", sub: customer, jti, iat: now, exp: now + 365 * 86400,
        customerName: row["customer.company_name"], plan: row["subscription.plan"],
        features: ["api", "export", "reports", "sso"],
        limits: { devices: 100, users: 10, api_calls: 100000 },
        subscription: { status: row["subscription.status"] },
    };
}

async function sign(row, customer) {
    const jti = "lic_" + crypto.randomBytes(16).toString("hex");
    const claims = claimsOf(row, customer, jti, Math.floor(Date.now() / 1000));
    if (jose)
        return [jti, await new jose.SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "reference" })
            .sign(privateKey)];
    const header = '{"alg":"RS256","typ":"license+jwt","kid":"reference"}';
    const text = Buffer.from(header).toString("base64url") + "." + Buffer.from(JSON.stringify(claims)).toString("base64url");
    const signature = crypto.sign("RSA-SHA256", Buffer.from(text), privateKey);
    return [jti, text + "." + signature.toString("base64url")];
}

async function license(request, url) {
    const customer = url.pathname.slice("/api/licenses/".length);
    const sum = digest(request);
    const row = (await query("license_view", [sum, customer, new Date()]))[0];
    admit(row, "key.", sum, customer, "license");
    if (!row["customer.customer_id"] || !row["subscription.plan"])
        throw new Failure(404, "customer_not_found");
    // A kept licence is compared with the row, as the service compares its fingerprint.
    const fingerprint = crypto.createHash("sha256")
        .update(JSON.stringify(claimsOf(row, customer, "", 0))).digest();
    let token = row["newest.token"];
    if (!token) {
        const [jti, made] = await sign(row, customer);
        const now = new Date();
        const end = new Date(now.getTime() + 365 * 86400000);
        const told = { jti, kid: "reference", reason: "first", plan: row["subscription.plan"], issued_at: now,
            expires_at: end };
        const stored = await query("license_store", [
            row["subscription.subscription_id"], row["subscription.version"], jti, "reference",
            row["subscription.plan"], "first", fingerprint, made, now,
            end, 10, 60, 20, null, null, "license.issued", JSON.stringify(told)]);
        if (!stored[0].stored) throw new Failure(503, "busy");
        token = made;
    }
    return [200, { license: token, customer_id: customer, plan: row["subscription.plan"],
        status: row["subscription.status"] }];
}

async function body(request) {
    const parts = [];
    let length = 0;
    for await (const part of request) {
        length += part.length;
        if (length > BODY_MAX) throw new Failure(413, "body_too_large");
        parts.push(part);
    }
    return Buffer.concat(parts);
}

function parse(text, code) {
    try {
        return JSON.parse(text);
    } catch {
        throw new Failure(400, code);
    }
}

async function usage(request) {
    const sum = digest(request);
    const report = request.body || parse(await body(request), "invalid_json");
    if (typeof report.customer_id !== "string" || typeof report.instance_id !== "string" ||
        report.instance_id.length > 255 || !(report.active_devices >= 0))
        throw new Failure(400, "invalid_request");
    const now = new Date();
    const row = (await query("usage_report", [
        sum, report.customer_id, report.instance_id, report.active_devices, report.total_devices,
        JSON.stringify(report.metrics || {}), now, report.report_id || null, now,
        new Date(now.getTime() + LEASE_MS), PENDING_MAX, null, NEW_INSTANCES_MAX]))[0];
    admit(row, "key.", sum, report.customer_id, "usage");
    return [201, { success: true, report, limits: row }];
}

async function event(request) {
    const text = request.body || await body(request);
    const header = Object.fromEntries((request.headers["stripe-signature"] || "").split(",")
        .map((part) => part.split("=")));
    const wanted = crypto.createHmac("sha256", env.WEBHOOK_SECRET).update(`${header.t}.`).update(text)
        .digest();
    const given = Buffer.from(header.v1 || "", "hex");
    if (given.length !== wanted.length || !crypto.timingSafeEqual(given, wanted))
        throw new Failure(400, "invalid_signature");
    const found = parse(text, "invalid_event");
    const object = found.data.object;
    await query("stripe_event_receive", [
        found.id, found.type, found.livemode, found.api_version, new Date(found.created * 1000),
        "webhook", "subscription", object.id, object.customer, null, text.toString(), null]);
    return [200, { received: true }];
}

function handlerOf(path) {
    if (path === "/health") return health;
    if (path === "/api/customers") return customers;
    if (path.startsWith("/api/licenses/")) return license;
    if (path === "/api/usage/report") return usage;
    if (path === "/api/webhooks/stripe") return event;
    throw new Failure(404, "not_found");
}

function log(start, request, path, status) {
    process.stderr.write(JSON.stringify({ time: new Date(start).toISOString(), level: "info",
        method: request.method, path, status, ms: Date.now() - start }) + "\n");
}

function failureOf(error) {
    const status = error.status || 500;
    if (status === 500) process.stderr.write(JSON.stringify({ level: "error", message: error.message }) + "\n");
    return [status, { error: error.code, code: error.code }];
}

async function serve(request, response) {
    const start = Date.now();
    const url = new URL(request.url, "http://localhost");
    let status, answer;
    try {
        [status, answer] = await handlerOf(url.pathname)(request, url);
    } catch (error) {
        [status, answer] = failureOf(error);
    }
    const text = JSON.stringify(answer);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
    response.end(text);
    log(start, request, url.pathname, status);
}

// The routes as Express's guide shows them.
function onExpress() {
    const express = require("express");
    const app = express();
    const answer = (handler) => (request, response, next) =>
        handler(request, new URL(request.originalUrl, "http://localhost"))
            .then(([status, found]) => response.status(status).json(found)).catch(next);

    jose = require("jose");
    app.use((request, response, next) => {
        const start = Date.now();
        response.on("finish", () => log(start, request, request.path, response.statusCode));
        next();
    });
    app.get("/health", answer(async () => health()));
    app.get("/api/customers", answer(customers));
    app.get("/api/licenses/:customer_id", answer(license));
    app.post("/api/usage/report", express.json({ limit: BODY_MAX, type: "*/*" }), answer(usage));
    app.post("/api/webhooks/stripe", express.raw({ limit: BODY_MAX, type: "*/*" }), answer(event));
    app.use((error, request, response, next) => {
        const [status, found] = failureOf(error);
        response.status(status).json(found);
    });
    return app;
}

function main() {
    const count = Number(env.PROCESSES);
    if (cluster.isPrimary) {
        for (let i = 0; i < count; i++) cluster.fork();
        cluster.on("exit", () => process.exit(1));
        for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
        return;
    }
    const words = fs.readFileSync(env.STATEMENTS, "utf8").split("\0");
    statements = new Map();
    for (let i = 0; i + 1 < words.length; i += 2) statements.set(words[i], words[i + 1]);
    privateKey = crypto.createPrivateKey(fs.readFileSync(env.KEY));
    const { Pool } = require("pg");
    pool = new Pool({ connectionString: env.DATABASE_URL, max: Math.ceil(env.CONNECTIONS / count) });
    http.createServer(env.FRAMEWORK === "express" ? onExpress() : serve).listen(env.LISTEN, () => fs.chmodSync(env.LISTEN, 0o666));
}

main();
