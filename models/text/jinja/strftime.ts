import { payWalked } from "./budget.js";

const months = "January February March April May June July August September October November December".split(" ");
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const padded = (n: number, width = 2, fill = "0"): string => String(n).padStart(width, fill);

const dayOfYear = (now: Date): number =>
  Math.round((Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(now.getFullYear(), 0, 1)) / 864e5);

/**
 * Python's strftime in the C locale, local time without a zone, as datetime.now() has none.
 * Errors: Error for a directive that is not supported.
 */
export const strftime = (now: Date, format: string): string => {
  const month = months[now.getMonth()];
  const day = days[now.getDay()];
  const hour12 = ((now.getHours() + 11) % 12) + 1;
  const time = `${padded(now.getHours())}:${padded(now.getMinutes())}:${padded(now.getSeconds())}`;
  const date = `${padded(now.getMonth() + 1)}/${padded(now.getDate())}/${padded(now.getFullYear() % 100)}`;
  const fields: Readonly<Record<string, string>> = {
    Y: padded(now.getFullYear(), 1),
    y: padded(now.getFullYear() % 100),
    m: padded(now.getMonth() + 1),
    d: padded(now.getDate()),
    e: padded(now.getDate(), 2, " "),
    B: month,
    b: month.slice(0, 3),
    h: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    w: padded(now.getDay(), 1),
    u: padded(now.getDay() === 0 ? 7 : now.getDay(), 1),
    j: padded(dayOfYear(now) + 1, 3),
    H: padded(now.getHours()),
    I: padded(hour12),
    p: now.getHours() < 12 ? "AM" : "PM",
    M: padded(now.getMinutes()),
    S: padded(now.getSeconds()),
    f: padded(now.getMilliseconds() * 1000, 6),
    Z: "",
    z: "",
    D: date,
    x: date,
    F: `${padded(now.getFullYear(), 1)}-${padded(now.getMonth() + 1)}-${padded(now.getDate())}`,
    T: time,
    X: time,
    R: time.slice(0, 5),
    c: `${day.slice(0, 3)} ${month.slice(0, 3)} ${padded(now.getDate(), 2, " ")} ${time} ${now.getFullYear()}`,
    n: "\n",
    t: "\t",
    "%": "%",
  };
  payWalked(8 * format.length);
  return format.replace(/%(-?)(.)/g, (whole, bare: string, letter: string) => {
    if (!Object.hasOwn(fields, letter)) throw new Error(`strftime_now: ${whole} is not supported`);
    return bare === "-" ? fields[letter].replace(/^[0 ](?=\d)/, "") : fields[letter];
  });
};
