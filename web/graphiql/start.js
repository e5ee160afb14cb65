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

  const page = React.createElement(GraphiQL, {
    fetcher: GraphiQL.createFetcher({ url: new URL("graphql", document.baseURI).href }),
    defaultQuery: defaultQuery,
    defaultHeaders: '{"Authorization": "Bearer "}',
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  });

  ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
})();
