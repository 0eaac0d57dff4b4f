// A button beside each piece of code that copies it.
"use strict";
for (const block of document.querySelectorAll("pre")) {
  const code = block.querySelector("code").textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(block.querySelector("code"));
      button.textContent = "press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
  block.append(button);
}
