// The theme lets a wide table scroll in a box; the keyboard has to reach the box as well.
addEventListener("load", () => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) {
    box.tabIndex = 0;
  }
});
