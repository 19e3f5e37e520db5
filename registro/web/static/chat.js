// The page of a user: their thread with the support desk.
import { followHours } from "./hours.js";
import { data, openThread, startClient } from "./thread.js";

const page = data();
const client = startClient(page, page.seen);
openThread({
  client,
  page,
  para: page.desk,
  conversation: page.row?.conversacion ?? null,
  ours: (user) => user === page.me,
  guard: false,
  read: page.row?.leido_usuario ?? 0,
  place: (seq) => `/soporte?mensaje=${seq}`,
});
followHours(client.socket);
client.connect();
