// The page of a user: their thread with the support desk.
import { followHours } from "./hours.js";
import { data, openOwnThread, startClient } from "./thread.js";

const page = data();
const client = startClient(page, page.seen);
openOwnThread(client, page, (seq) => `/soporte?mensaje=${seq}`);
followHours(client.socket);
client.connect();
