package mcpserver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// confirmKey names the question in the requests for input, and the answer in it.
const confirmKey = "confirm"

// unasked ends a call that needs an answer which the client has not sent yet.
type unasked struct{ question string }

func (e *unasked) Error() string { return "a person is to be asked: " + e.question }

// An answer is what a request brings with it of an earlier question.
type answer struct {
	state    *askState // nil: it was not asked
	accepted bool
}

// canAsk reports whether a client can show a form to a person.
func canAsk(c *mcp.ClientCapabilities) bool {
	if c == nil || c.Elicitation == nil {
		return false
	}
	// Before there were modes, forms were all there was.
	return c.Elicitation.Form != nil || c.Elicitation.URL == nil
}

// answerTo opens what a request brings. A state that is not of this server, or of
// another call, is a malformed request: only a client that tampers sends one.
func (s *Server) answerTo(req *mcp.CallToolRequest, caller string) (*answer, error) {
	if req.Params.RequestState == "" {
		return &answer{}, nil
	}
	state, err := s.open(req.Params.RequestState)
	if err != nil || state.Caller != caller || state.Tool != req.Params.Name || state.Arguments != digest(req.Params.Arguments) {
		return nil, invalidParams("requestState is not that of this call")
	}
	a := &answer{state: state}
	if r, ok := req.Params.InputResponses[confirmKey].(*mcp.ElicitResult); ok && r != nil {
		yes, _ := r.Content[confirmKey].(bool)
		a.accepted = r.Action == "accept" && yes
	}
	return a, nil
}

// confirm implements [tools.Confirm]. The question is part of what was agreed to:
// consent to lose two files is none to lose three.
func (a *answer) confirm(_ context.Context, question string) (bool, error) {
	if a.state == nil {
		return false, &unasked{question}
	}
	if a.state.Question != digestText(question) || time.Now().After(time.Unix(a.state.Expires, 0)) {
		return false, errStale
	}
	return a.accepted, nil
}

// ask returns the question to the client. The newest revision sends the call again
// with the answer; for older ones the protocol's library asks, and does the same.
func (s *Server) ask(q *unasked, req *mcp.CallToolRequest, caller string) (*mcp.CallToolResult, error) {
	sealed, err := s.sealState(&askState{
		Caller: caller, Tool: req.Params.Name, Arguments: digest(req.Params.Arguments),
		Question: digestText(q.question), Expires: time.Now().Add(confirmWait).Unix(),
	})
	if err != nil {
		return nil, err
	}
	return &mcp.CallToolResult{
		RequestState: sealed,
		InputRequests: mcp.InputRequestMap{confirmKey: &mcp.ElicitParams{
			Mode: "form", Message: q.question, RequestedSchema: confirmSchema,
		}},
	}, nil
}

var confirmSchema = json.RawMessage(`{"type":"object","properties":{"confirm":{"type":"boolean","title":"Do it","description":"Whether it is to be done."}},"required":["confirm"]}`) //nolint:gochecknoglobals // a constant
