package oauthtest

import (
	"encoding/json"
	"net/http"
)

// call is a JSON-RPC request of a client.
type call struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		ProtocolVersion string          `json:"protocolVersion"`
		Name            string          `json:"name"`
		Arguments       json.RawMessage `json:"arguments"`
	} `json:"params"`
}

// parseCall reads a body; what is none gives a call without a method.
func parseCall(body []byte) (c call) {
	if json.Unmarshal(body, &c) != nil {
		return call{}
	}
	return c
}

// answer is the MCP part of a Resource: initialize, ping, tools/list, and tools/call of one tool, echo, which gives back
// its arguments. There are no sessions and no streams.
func (c call) answer(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case c.Method == "":
		w.WriteHeader(http.StatusBadRequest)
		return
	case c.ID == nil: // a notification
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer := map[string]any{"jsonrpc": "2.0", "id": c.ID}
	if result := c.result(); result != nil {
		answer["result"] = result
	} else {
		answer["error"] = map[string]any{"code": -32601, "message": "Method not found"}
	}
	reply(w, http.StatusOK, answer)
}

func (c call) result() map[string]any {
	switch c.Method {
	case "initialize":
		return map[string]any{
			"protocolVersion": c.Params.ProtocolVersion, "capabilities": map[string]any{"tools": map[string]any{}},
			"serverInfo": map[string]any{"name": "oauthtest", "version": "1"},
		}
	case "ping":
		return map[string]any{}
	case "tools/list":
		return map[string]any{"tools": []any{map[string]any{
			"name": "echo", "description": "Gives back its arguments", "inputSchema": map[string]any{"type": "object"},
		}}}
	case "tools/call":
		text := map[string]any{"type": "text", "text": string(c.Params.Arguments)}
		return map[string]any{"content": []any{text}, "isError": c.Params.Name != "echo"}
	}
	return nil
}
