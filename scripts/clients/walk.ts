// Walks all five services with the generated TypeScript client; the first answer that surprises ends it.
//
// BASE_URL says where the program is, ADMIN_EMAIL and ADMIN_PASSWORD who lets a new user in everywhere.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { env } from "node:process";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Api = Client<paths>;
type Tokens = components["schemas"]["TokenOut"];
type Failure = components["schemas"]["ErrorResponse"];
type Answer<Data> = { data?: Data; error?: unknown; response: Response };

const PASSWORD = `walk-${randomUUID()}`;

function setting(name: string): string {
  const value = env[name];
  assert(value, `${name} is not set`);
  return value;
}

function client(tokens?: Tokens): Api {
  const headers = tokens ? { Authorization: `Bearer ${tokens.access_token}` } : {};
  return createClient<paths>({ baseUrl: setting("BASE_URL"), headers });
}

/** The body of an answer with this status. */
async function answered<Data>(answer: Promise<Answer<Data>>, status: number): Promise<Data> {
  return (await whole(answer, status)).data;
}

/** The same with its ETag. */
async function whole<Data>(answer: Promise<Answer<Data>>, status: number): Promise<{ data: Data; etag: string }> {
  const { data, error, response } = await answer;
  assert.equal(response.status, status, `${response.url}: ${JSON.stringify(error)}`);
  assert(data !== undefined);
  return { data, etag: response.headers.get("ETag") ?? "" };
}

/** An answer without a body. */
async function done(answer: Promise<Answer<unknown>>, status = 204): Promise<void> {
  const { error, response } = await answer;
  assert.equal(response.status, status, `${response.url}: ${JSON.stringify(error)}`);
}

async function refused(answer: Promise<Answer<unknown>>, status: number, code: string): Promise<void> {
  const { error, response } = await answer;
  assert.deepEqual([response.status, (error as Failure).error.code], [status, code], response.url);
}

function signIn(email: string, password: string): Promise<Tokens> {
  return answered(client().POST("/api/v1/auth/login", { body: { email, password } }), 200);
}

/** Register, be let in everywhere by an admin, sign in. */
async function enter(): Promise<Tokens> {
  const [nobody, email] = [client(), `${randomUUID()}@example.com`];
  const body = { email, password: PASSWORD, full_name: "Ada Lovelace" };
  const user = await answered(nobody.POST("/api/v1/users", { body }), 201);
  await refused(nobody.POST("/api/v1/users", { body }), 409, "email_taken");
  const wrong = { email, password: "not-the-password" };
  await refused(nobody.POST("/api/v1/auth/login", { body: wrong }), 401, "invalid_credentials");
  const admin = client(await signIn(setting("ADMIN_EMAIL"), setting("ADMIN_PASSWORD")));
  const changed = await answered(
    admin.PATCH("/api/v1/users/{user_id}", {
      params: { path: { user_id: user.id }, header: { "If-Match": '"1"' } },
      body: { scopes: ["pets:*", "tasks:*", "configs:*", "orders:*"], tenant: `tenant-${randomUUID()}` },
    }),
    200,
  );
  assert.equal(changed.version, 2);
  const tokens = await signIn(email, PASSWORD);
  assert.equal((await answered(client(tokens).GET("/api/v1/users/me"), 200)).email, email);
  return tokens;
}

/** Create, read, change, list and delete. */
async function walkPets(api: Api): Promise<void> {
  const species = `cat ${randomUUID()}`;
  const created = await whole(
    api.POST("/pets", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { name: "Mittens", species, age_years: 2 },
    }),
    201,
  );
  const path = { pet_id: created.data.id };
  const read = await whole(api.GET("/pets/{pet_id}", { params: { path } }), 200);
  assert.deepEqual(read, created);
  await done(api.GET("/pets/{pet_id}", { params: { path, header: { "If-None-Match": read.etag } } }), 304);
  const sell = (etag: string) =>
    api.PATCH("/pets/{pet_id}", { params: { path, header: { "If-Match": etag } }, body: { status: "sold" } });
  const changed = await whole(sell(read.etag), 200);
  assert.equal(changed.data.status, "sold");
  await refused(sell(read.etag), 412, "precondition_failed");
  const page = await answered(api.GET("/pets", { params: { query: { species, status: "sold" } } }), 200);
  assert.deepEqual([page.items, page._meta.total], [[changed.data], 1]);
  await done(api.DELETE("/pets/{pet_id}", { params: { path, header: { "If-Match": changed.etag } } }));
  await refused(api.GET("/pets/{pet_id}", { params: { path } }), 404, "pet_not_found");
}

/** The same, where a title is there once. */
async function walkTasks(api: Api): Promise<void> {
  const [title, assignee] = [`Walk ${randomUUID()}`, `ada ${randomUUID()}`];
  const created = await whole(api.POST("/v1/tasks", { body: { title, assignee, priority: 4 } }), 201);
  await refused(api.POST("/v1/tasks", { body: { title: title.toUpperCase() } }), 409, "duplicate_task");
  const path = { task_id: created.data.id };
  const replaced = await whole(
    api.PUT("/v1/tasks/{task_id}", {
      params: { path, header: { "If-Match": created.etag } },
      body: { title, assignee },
    }),
    200,
  );
  assert.equal(replaced.data.priority, 3);
  const changed = await whole(
    api.PATCH("/v1/tasks/{task_id}", {
      params: { path, header: { "If-Match": replaced.etag } },
      body: { status: "completed" },
    }),
    200,
  );
  assert.notEqual(changed.data.completed_at, null);
  const query = { assignee, status: ["new" as const, "completed" as const] };
  const page = await answered(api.GET("/v1/tasks", { params: { query } }), 200);
  assert.deepEqual(page.items, [changed.data]);
  await done(api.DELETE("/v1/tasks/{task_id}", { params: { path, header: { "If-Match": changed.etag } } }));
  await refused(api.GET("/v1/tasks/{task_id}", { params: { path } }), 404, "task_not_found");
}

/** Create, read, list, and see a change by watching. */
async function walkConfigs(api: Api): Promise<void> {
  const application = await answered(
    api.POST("/api/v1/applications", { body: { name: `checkout ${randomUUID()}` } }),
    201,
  );
  const created = await whole(
    api.POST("/api/v1/configurations", {
      body: { application_id: application.id, name: "production", config: { retries: 3 } },
    }),
    201,
  );
  const all = await answered(api.GET("/api/v1/applications"), 200);
  const mine = all.filter(({ id }) => id === application.id);
  assert.deepEqual(mine, [{ ...application, configuration_ids: [created.data.id] }]);
  const path = { configuration_id: created.data.id };
  const watch = (seconds: number) =>
    api.GET("/api/v1/configurations/{configuration_id}", {
      params: { path, query: { wait: seconds }, header: { "If-None-Match": created.etag } },
    });
  await done(watch(1), 304);
  const [seen, replaced] = await Promise.all([
    whole(watch(20), 200),
    whole(
      api.PUT("/api/v1/configurations/{configuration_id}", {
        params: { path, header: { "If-Match": created.etag } },
        body: { name: "production", config: { retries: 5 } },
      }),
      200,
    ),
  ]);
  assert.deepEqual(seen, replaced);
  assert.deepEqual(seen.data.config, { retries: 5 });
}

/** One order for a key however often it is asked for, confirmed and closed; all of them page by page. */
async function walkOrders(api: Api): Promise<void> {
  const create = (key: string) => api.POST("/orders", { params: { header: { "Idempotency-Key": key } }, body: {} });
  const [key, ids] = [randomUUID(), [] as string[]];
  const first = await whole(create(key), 201);
  ids.unshift(first.data.id);
  for (let more = 0; more < 2; more += 1) {
    ids.unshift((await answered(create(randomUUID()), 201)).id);
  }
  const replayed = await create(key);
  assert.deepEqual(replayed.data, first.data);
  assert.equal(replayed.response.headers.get("Idempotency-Replayed"), "true");
  const path = { order_id: first.data.id };
  await refused(api.POST("/orders/{order_id}/close", { params: { path }, body: {} }), 409, "invalid_state");
  const confirmed = await whole(
    api.PATCH("/orders/{order_id}/confirm", {
      params: { path, header: { "If-Match": first.etag } },
      body: { totalCents: 5000 },
    }),
    200,
  );
  assert.equal(confirmed.data.totalCents, 5000);
  const header = { "If-Match": confirmed.etag };
  const closed = await whole(api.POST("/orders/{order_id}/close", { params: { path, header }, body: {} }), 200);
  assert.equal(closed.data.status, "closed");
  assert.deepEqual(await whole(api.GET("/orders/{order_id}", { params: { path } }), 200), closed);
  const newest = await answered(api.GET("/orders", { params: { query: { limit: 2 } } }), 200);
  const query = { limit: 2, cursor: newest.nextCursor };
  const oldest = await answered(api.GET("/orders", { params: { query } }), 200);
  assert.deepEqual([...newest.items, ...oldest.items].map(({ id }) => id), ids);
  assert.equal(oldest.nextCursor, null);
}

/** Exchange the refresh token, then leave: what was had before is worth nothing afterwards. */
async function leave(tokens: Tokens): Promise<void> {
  const exchange = ({ refresh_token }: Tokens) => client().POST("/api/v1/auth/refresh", { body: { refresh_token } });
  const renewed = await answered(exchange(tokens), 200);
  const sessions = await answered(client(renewed).GET("/api/v1/auth/sessions"), 200);
  assert.deepEqual(sessions.items.map(({ current }) => current), [true]);
  await done(client(renewed).POST("/api/v1/auth/logout"));
  await refused(exchange(renewed), 401, "invalid_refresh_token");
  await refused(client(tokens).GET("/api/v1/users/me"), 401, "invalid_token");
}

const tokens = await enter();
const api = client(tokens);
await walkPets(api);
await walkTasks(api);
await walkConfigs(api);
await walkOrders(api);
await leave(tokens);
console.log("A new user has walked all five services with the TypeScript client");
