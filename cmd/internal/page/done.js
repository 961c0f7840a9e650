// The page that a provider sends the browser back to. A browser closes only what a script has opened: in any other window
// this does nothing.
window.close();
