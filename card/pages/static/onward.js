// Sends the one form of a page on; without a script the person presses its button.
document.querySelector("form[data-onward]").submit();
