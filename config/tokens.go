package config

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// refusal is what the guard has against a file: a byte of it, and the words.
type refusal struct {
	at              int
	message, remedy string
}

var tooDeep = refusal{message: "nested deeper than 64 levels", remedy: "flatten it"}

// closers names the token that ends what a token opens.
var closers = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

// operators recurse in the parser, or when their values are computed, as brackets do.
var operators = map[hclsyntax.TokenType]bool{
	hclsyntax.TokenBang: true, hclsyntax.TokenMinus: true, hclsyntax.TokenPlus: true, hclsyntax.TokenStar: true,
	hclsyntax.TokenSlash: true, hclsyntax.TokenPercent: true, hclsyntax.TokenAnd: true, hclsyntax.TokenOr: true,
	hclsyntax.TokenEqualOp: true, hclsyntax.TokenNotEqual: true, hclsyntax.TokenLessThan: true,
	hclsyntax.TokenLessThanEq: true, hclsyntax.TokenGreaterThan: true, hclsyntax.TokenGreaterThanEq: true,
	hclsyntax.TokenQuestion: true, hclsyntax.TokenDot: true, hclsyntax.TokenOBrack: true,
}

// level is one open bracket, with the operators of the expression that is being read in it.
type level struct {
	closer    hclsyntax.TokenType
	operators int
}

// refuseTokens looks for nesting over the limit, and for the loops of templates: a few nested ones exhaust the memory, and
// nothing here needs them. A closing token that does not match is ignored, so that wrong ones cannot hide the nesting.
func refuseTokens(tokens hclsyntax.Tokens) *refusal {
	open := []level{{}}
	var last hclsyntax.TokenType
	for _, t := range tokens {
		if r := refuseLoop(t, last); r != nil {
			return r
		}
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
			last = t.Type
		}
		inner := &open[len(open)-1]
		if operators[t.Type] {
			inner.operators++
		} else if inner.ends(t.Type) {
			inner.operators = 0
		}
		if len(open) > maxDepth+1 || inner.operators > maxDepth {
			deep := tooDeep
			deep.at = t.Range.Start.Byte
			return &deep
		}
		if closer, ok := closers[t.Type]; ok {
			open = append(open, level{closer: closer})
		} else if t.Type == inner.closer && len(open) > 1 {
			open = open[:len(open)-1]
		}
	}
	return nil
}

// ends reports whether a token ends the expression before it. Inside ( and [ a line end does not.
func (l level) ends(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenComma, hclsyntax.TokenEqual:
		return true
	case hclsyntax.TokenNewline:
		return l.closer == 0 || l.closer == hclsyntax.TokenCBrace
	}
	return false
}

func refuseLoop(t hclsyntax.Token, last hclsyntax.TokenType) *refusal {
	if t.Type == hclsyntax.TokenTemplateControl {
		return &refusal{t.Range.Start.Byte, "%{ begins a directive, and there are none here", "a literal %{ is written %%{"}
	}
	opened := last == hclsyntax.TokenOBrack || last == hclsyntax.TokenOBrace
	if opened && t.Type == hclsyntax.TokenIdent && string(t.Bytes) == "for" {
		return &refusal{t.Range.Start.Byte, "for expressions are not accepted here", "write the values themselves"}
	}
	return nil
}

// refuseHCL is refuseTokens for a file in HCL's own syntax.
func refuseHCL(src []byte) *refusal {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	return refuseTokens(tokens)
}

// refuseJSON is the same for JSON. HCL reads each string as a template, so what a string with "${" or "%{" holds counts too.
func refuseJSON(src []byte) *refusal {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth = max(depth-1, 0)
		case '"':
			end := stringEnd(src, i)
			if r := refuseTemplate(src[i:end]); r != nil {
				r.at = i
				return r
			}
			i = end - 1
		case '/':
			i = max(i, commentEnd(src, i)-1)
		}
		if depth > maxDepth {
			deep := tooDeep
			deep.at = i
			return &deep
		}
	}
	return nil
}

func refuseTemplate(quoted []byte) *refusal {
	var text string
	if json.Unmarshal(quoted, &text) != nil || !strings.Contains(text, "${") && !strings.Contains(text, "%{") {
		return nil // not closed or not a template: nothing will parse it
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(text), "", hcl.InitialPos)
	return refuseTokens(tokens)
}
