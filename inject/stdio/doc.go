// Package stdio starts a stdio MCP server as a child process and gives it its token where it looks for it: in the
// environment, in rewritten arguments, in a token file. It ends the child together with all that the child started, and
// passes its stderr on without its secrets.
//
// It fetches no token, opens no listener and reads no configuration: it is given a validated server and plain values.
// A token never becomes an argument: every user of the host can read those.
package stdio
