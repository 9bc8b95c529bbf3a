// Light or dark before the first paint: a plain script, since modules run after it.
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("retro.theme"));
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Then as the system has it.
  }
})();
