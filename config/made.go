package config

import "errors"

// Errors of what the API may not write.
var (
	ErrNoFolder = errors.New("there is no folder for servers that the API makes")
	ErrNotMade  = errors.New("this server is in a file that the API did not write")
)

// OwnSecret is the name in the store of a secret of a server that the API made. Its file may refer to such names only.
func OwnSecret(server, field string) string { return "server/" + server + "/" + field }
