// The documents of Relay's client, which relay-compiler makes the artefacts of. This file itself is never executed.

import { graphql } from "relay-runtime";

graphql`
    query documentsConnectedQuery($groups: [LegacyId!]) {
        connectedUsersIndicator(groupIds: $groups) {
            connectedUsersCount
            countByChatAvailabilityStatus {
                available
                toggleOff
            }
        }
    }
`;

graphql`
    query documentsClosedQuery($interval: DateTimeInterval!, $first: Int, $after: String) {
        closedConversations(interval: $interval, first: $first, after: $after) {
            edges {
                cursor
                node {
                    id
                    contacts {
                        ending
                        user {
                            id
                            lastName
                        }
                    }
                }
            }
            pageInfo {
                endCursor
                hasNextPage
            }
        }
    }
`;

graphql`
    mutation documentsSwitchMutation($input: UserAvailabilityStatusUpdateInput!) {
        userAvailabilityStatusUpdate(input: $input) {
            user {
                lastName
                availability {
                    chat {
                        isAvailable
                    }
                }
            }
            userErrors {
                message
            }
        }
    }
`;
