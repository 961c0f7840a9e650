package oauth

import "bearerd/config"

// Method is how the client of o proves itself at this server, and the algorithm that a private key signs with: what is
// configured, else what the server supports. registered is what a registration says; "": the client is none of those.
func (m *Metadata) Method(o *config.OAuth, registered string) (method, alg string, err error) {
	return "", "", nil
}
