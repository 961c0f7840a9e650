package relay

import (
	"fmt"
	"math"
	"time"

	"bearerd/inject/jsonrpc"
)

// code is that of the JSON-RPC errors which bearerd gives in a server's place.
const code = -32001

// Reason says why a request is not answered by its server.
type Reason struct {
	Code  string    // for programs, such as token_expired
	Text  string    // for people: what happened and what to do
	Retry bool      // the request may be sent again
	Next  time.Time // when it is tried again to have a server; zero: nobody knows
}

// failure is the answer to a request that no server answers.
func (s *Session) failure(id []byte, why Reason) []byte {
	text := fmt.Sprintf("server %q: %s", s.name, why.Text)
	if left := time.Until(why.Next); left > 0 {
		text += fmt.Sprintf("; the next attempt is in %.0f s", math.Ceil(left.Seconds()))
	}
	return jsonrpc.Failure(id, code, text, map[string]any{
		"server": s.name, "reason": why.Code, "retry": why.Retry,
	})
}

// withdrawal says that a request needs no answer.
func withdrawal(id []byte, reason string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s,"reason":%q}}`+"\n", id, reason)
}

// pong answers a ping while there is no server: the session lives.
func pong(id []byte) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{}}`+"\n", id)
}
