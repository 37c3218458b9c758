import path from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Where a file that comes with the software lies, for hints and help texts: relative to the working directory when it is inside it, otherwise absolute.
 * Without this a hint such as "look at config/scenes/tabletop.yaml" names nothing where the software is installed as a package.
 * @param file as it is called in the package, such as `config/arms`.
 */
export function installedPath(file: string): string {
  const absolute = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const relative = path.relative(process.cwd(), absolute);
  return relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative) ? absolute : relative;
}
