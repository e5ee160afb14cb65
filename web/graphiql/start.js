// Starts GraphiQL on this server's own graphql. Everything it needs is served beside this file: it works without internet.
// A key is typed into the headers editor; it is kept in the page only (shouldPersistHeaders is false), never in the browser's storage.
(function () {
  "use strict";

  const defaultQuery = `# Who is here, and who can take work now?
# Put your key into the headers below, then press the button (or Ctrl+Enter).
{
  connectedUsersIndicator {
    connectedUsersCount
    countByChatAvailabilityStatus {
      available
      busy
      toggleOff
    }
    usersInProductionChatOccupancy {
      occupancyRate
    }
  }
}
`;

  // What GraphiQL leaves out for screen readers and keyboards, by selector. It may run more than once on an element.
  const section = (one) => one.closest("section[aria-label]");
  const mends = {
    ".CodeMirror textarea:not([aria-label])": (text) =>
      text.setAttribute("aria-label", section(text) ? section(text).getAttribute("aria-label") : "Editor"),
    ".CodeMirror-scroll[tabindex='-1']": (region) => region.setAttribute("tabindex", "0"),
    // Tabs with buttons inside, which make up a list: a tab may have none.
    "ul[role='tablist']": (list) => list.removeAttribute("role"),
    "li[role='tab']": (tab) => tab.removeAttribute("role"),
    "li.graphiql-tab[aria-selected]": (tab) => tab.removeAttribute("aria-selected"),
  };
  const mend = () => {
    for (const [selector, change] of Object.entries(mends)) document.querySelectorAll(selector).forEach(change);
  };
  const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["role", "aria-selected", "tabindex"] };
  new MutationObserver(mend).observe(document.getElementById("graphiql"), changes);

  const endpoint = new URL("graphql", document.baseURI);
  const socket = new URL(endpoint);
  socket.protocol = endpoint.protocol.replace("http", "ws");

  const page = React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: endpoint.href, subscriptionUrl: socket.href }),
    defaultQuery: defaultQuery,
    defaultHeaders: '{"Authorization": "Bearer "}',
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  });

  ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
})();
