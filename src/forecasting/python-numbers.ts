/*
 * The reference parser reads numbers with Python's int() and float(), and splits with str.split(). A model's answer that one accepts and the
 * other refuses would mean two forecasts from one text, so their rules are kept: signs, underscores between digits, digits of every script.
 */

/** What str.split() and str.isspace() take as white space. */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const SPACES = new RegExp(`${SPACE}+`, 'u');
const EDGES = new RegExp(`^${SPACE}+|${SPACE}+$`, 'gu');
const INTEGER = /^[+-]?\d+(?:_\d+)*$/;
const FLOAT = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;
const NAMED = /^([+-]?)(?:(inf|infinity)|nan)$/i;

export const PYTHON_SPACE = SPACE;

/** str.split() without arguments. */
export function splitWords(text: string): readonly string[] {
  const trimmed = text.replace(EDGES, '');
  return trimmed === '' ? [] : trimmed.split(SPACES);
}

/** int(text), or null where Python raises. */
export function parseInteger(text: string): bigint | null {
  const digits = withAsciiDigits(text);
  if (!INTEGER.test(digits)) return null;
  const plain = digits.replaceAll('_', '');
  return plain.startsWith('-') ? -BigInt(plain.slice(1)) : BigInt(plain.replace('+', ''));
}

/** float(text), or null where Python raises. */
export function parseFloatingPoint(text: string): number | null {
  const digits = withAsciiDigits(text.replace(EDGES, ''));
  const named = NAMED.exec(digits);
  if (named) return named[2] === undefined ? Number.NaN : named[1] === '-' ? -Infinity : Infinity;
  return FLOAT.test(digits) ? Number(digits.replaceAll('_', '')) : null;
}

/** Decimal digits of any script as 0 to 9. Unicode keeps the ten of a script together, in order, and every run of them starts with a zero. */
function withAsciiDigits(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0)!;
    if (code < 0x80) return digit;
    let start = code;
    while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
    return String((code - start) % 10);
  });
}
