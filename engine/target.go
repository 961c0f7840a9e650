package engine

import "bearerd/engine/oauth"

// target is whom the requests for s go to, as far as the configuration says it.
func (s *Source) target() *oauth.Target {
	server := s.server.Load()
	return &oauth.Target{OAuth: server.OAuth, Reach: oauth.NewReach(server)}
}
