// Package importer turns what the file of an MCP client says into servers of bearerd's configuration: it decides what is a
// secret, what a name becomes, and what cannot be carried over. It writes no file and keeps no secret itself.
package importer
