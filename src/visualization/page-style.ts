/** How the page of episodes looks: in the colours that the reader's system asks for, on wide screens and on a phone. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1b1d20; --line: #8884; --good: #2b8a3e; --bad: #c92a2a; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --text: #e4e6e9; --good: #69db7c; --bad: #ff8787; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem; background: var(--page); color: var(--text); }
h1 { font-size: 1.5rem; margin: 0 0 0.6rem; } h2 { font-size: 1.2rem; margin: 0; }
.credits { font-weight: 600; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1.2rem 0; }
.mark { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 0.7rem; align-items: center; }
.times { width: 12rem; height: 0.9rem; border: 1px solid var(--line); border-radius: 3px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; margin: 0.8rem 0; }
figure { margin: 0; } figcaption { font-size: 0.9rem; margin-top: 0.3rem; }
img, svg, video { display: block; width: 100%; height: auto; border-radius: 4px; }
img, svg { cursor: zoom-in; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 4px; padding: 0 0.5rem; cursor: pointer; }
.large { position: fixed; inset: 0; z-index: 1; padding: 1rem; background: var(--page); display: flex; flex-direction: column; justify-content: center; gap: 0.5rem; }
.large .picture { flex: 1; min-height: 0; display: flex; }
.large img, .large svg, .large video { object-fit: contain; height: 100%; cursor: zoom-out; }
@media (max-aspect-ratio: 1/1) { .large .picture { overflow: auto; align-items: center; } .large img, .large svg { flex: none; width: 250%; height: auto; } }
table { border-collapse: collapse; } td { padding: 0.1rem 1.2rem 0.1rem 0; vertical-align: top; } td:first-child { opacity: 0.8; }
`;

/** A click on a picture, or its button, shows it as large as the window; a second click, or Escape, puts it back. */
export const PAGE_SCRIPT = `
const toggle = (figure) => {
  const isLarge = figure.classList.toggle('large');
  document.body.style.overflow = isLarge ? 'hidden' : '';
  const button = figure.querySelector('button');
  button.textContent = isLarge ? 'close' : 'enlarge';
  button.setAttribute('aria-pressed', String(isLarge));
};
for (const figure of document.querySelectorAll('figure')) {
  figure.querySelector('button').addEventListener('click', () => toggle(figure));
  figure.querySelector('img, svg')?.addEventListener('click', () => toggle(figure));
}
addEventListener('keydown', ({ key }) => {
  const large = document.querySelector('figure.large');
  if (key === 'Escape' && large) toggle(large);
});
if (matchMedia('(prefers-reduced-motion: reduce)').matches)
  for (const film of document.querySelectorAll('video')) { film.autoplay = false; film.pause(); }
`;
