// Times as the server writes them (see web/times.py), in the reader's zone.
import { say } from "./texts.js";

const language = document.documentElement.lang || "es";
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat(language, { timeZone: zone, ...options });
const clock = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const long = format({ weekday: "long", day: "numeric", month: "long" });
const longYear = format({ day: "numeric", month: "long", year: "numeric" });
const short = format({ day: "numeric", month: "short" });
const weekday = format({ weekday: "short" });
const key = new Intl.DateTimeFormat("sv", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });

/** 2026-11-24, for comparing days. @param {Date} date */
export const dayKey = (date) => key.format(date);

/** 14:05 @param {Date} date */
export const time = (date) => clock.format(date);

/** @param {Date} date */
const daysAgo = (date) =>
  Math.round((Date.parse(dayKey(new Date())) - Date.parse(dayKey(date))) / 86_400_000);

/** @param {Date} date @param {string} today @param {string} yesterday */
function dayOf(date, today, yesterday) {
  const ago = daysAgo(date);
  if (ago === 0) return today;
  if (ago === 1) return yesterday;
  return (date.getFullYear() === new Date().getFullYear() ? long : longYear).format(date);
}

/** Today, yesterday, or a date in words: a heading. @param {Date} date */
export const day = (date) => dayOf(date, say("Today"), say("Yesterday"));

/** A day and a time, within a sentence. @param {Date} date */
export const full = (date) => [dayOf(date, say("today"), say("yesterday")), time(date)].join(", ");

/** In a list: now, 5 min, 14:05, yesterday, Mon, 16 Nov. @param {Date} date */
export function ago(date) {
  const seconds = Math.floor((Date.now() - date.getTime()) / 1000);
  if (seconds < 60) return say("now");
  if (seconds < 3600) return say("{minutes} min", { minutes: Math.floor(seconds / 60) });
  const days = daysAgo(date);
  if (days === 0) return time(date);
  if (days === 1) return say("yesterday");
  return (days < 7 ? weekday : short).format(date);
}
