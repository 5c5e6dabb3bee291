/** How the commands are called that load much: nothing of them is loaded until one is named. */
export const INIT_USAGE = "npm run replica -- init URL [--write FILE]";

export const LOGIN_USAGE = `npm run replica -- login ORIGIN [--client-id ID [--client-secret-env NAME]] [--issuer URL] [--scope S] [--config FILE]
                             [--remote | --secrets FILE] [--no-browser] [--within SECONDS]`;
