package config

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// checker gives a check the arguments of one fetch or converter.
type checker struct {
	p    *parser
	name string
	args []Arg
}

// text returns argument i, "" if there is none.
func (c *checker) text(i int) string {
	if i < len(c.args) {
		return c.args[i].Text
	}
	return ""
}

// number returns argument i, 0 if there is none.
func (c *checker) number(i int) int64 {
	if i < len(c.args) {
		return c.args[i].Int
	}
	return 0
}

// fetchChecks judge the arguments of fetches beyond their types.
var fetchChecks = map[string]func(*checker) *argFault{
	"acl":            checkACLNames,
	"bin":            checkHex,
	"bool":           checkBool,
	"var":            variableArg(0),
	"req.payload_lv": checkPayloadLV,
	"res.payload_lv": checkPayloadLV,
	"payload_lv":     checkPayloadLV,
	"distcc_param":   checkDistcc,
	"distcc_body":    checkDistcc,
	"date":           oneOf(1, "", "s", "ms", "us"),
	"accept_date":    oneOf(0, "s", "ms", "us"),
	"request_date":   oneOf(0, "s", "ms", "us"),
	"uuid":           checkUUID,
	"fc_rtt":         oneOf(0, "us", "ms"),
	"fc_rttvar":      oneOf(0, "us", "ms"),
	"bc_rtt":         oneOf(0, "us", "ms"),
	"bc_rttvar":      oneOf(0, "us", "ms"),
	"fc_pp_tlv":      checkTLV,
	"ssl_c_i_dn":     oneOf(2, "", "rfc2253"),
	"ssl_c_s_dn":     oneOf(2, "", "rfc2253"),
	"ssl_c_r_dn":     oneOf(2, "", "rfc2253"),
	"ssl_f_i_dn":     oneOf(2, "", "rfc2253"),
	"ssl_f_s_dn":     oneOf(2, "", "rfc2253"),
	"ssl_s_i_dn":     oneOf(2, "", "rfc2253"),
	"ssl_s_s_dn":     oneOf(2, "", "rfc2253"),
	"hdr":            checkHeader,
	"shdr":           checkHeader,
	"hdr_ip":         checkHeader,
	"shdr_ip":        checkHeader,
	"hdr_val":        checkHeader,
	"shdr_val":       checkHeader,
	"req.hdr":        checkHeader,
	"res.hdr":        checkHeader,
	"req.hdr_ip":     checkHeader,
	"res.hdr_ip":     checkHeader,
	"req.hdr_val":    checkHeader,
	"res.hdr_val":    checkHeader,
}

// converterChecks likewise of converters.
var converterChecks = map[string]func(*checker) *argFault{
	"add": checkOperand, "sub": checkOperand, "mul": checkOperand, "div": checkOperand, "mod": checkOperand,
	"and": checkOperand, "or": checkOperand, "xor": checkOperand,
	"add_item":         checkAddItem,
	"aes_gcm_dec":      checkAES,
	"aes_gcm_enc":      checkAES,
	"be2dec":           checkBE2Dec,
	"be2hex":           checkBE2Hex,
	"bytes":            checkBytes,
	"concat":           optionalVariable(1),
	"debug":            checkSink,
	"digest":           checkDigest,
	"field":            checkField,
	"word":             checkField,
	"hmac":             checkHMAC,
	"json":             oneOf(0, "", "ascii", "utf8", "utf8s", "utf8p", "utf8ps"),
	"json_query":       checkJSONQuery,
	"http_date":        oneOf(1, "", "s", "ms", "us"),
	"fix_tag_value":    checkFIXTag,
	"mqtt_field_value": checkMQTTField,
	"param":            checkParam,
	"protobuf":         checkProtobuf,
	"ungrpc":           checkProtobuf,
	"regsub":           checkRegsub,
	"secure_memcmp":    variableArg(0),
	"strcmp":           variableArg(0),
	"set-var":          checkSetVar,
	"unset-var":        variableArg(0),
	"sha2":             checkSHA2,
	"url_enc":          oneOf(0, "", "query"),
	"when":             checkWhen,
	"jwt_verify":       checkJWT,
}

const varForm = "proc., sess., txn., req., res. or check. and a name of letters, digits, '_' and '.'"

// varFault tells what is wrong with the name of a variable, "" if nothing is.
func varFault(name string) string {
	if name == "" {
		return "empty variable name"
	}
	scope, rest, _ := strings.Cut(name, ".")
	if !slices.Contains([]string{"proc", "sess", "txn", "req", "res", "check"}, scope) || rest == "" {
		return "invalid variable name '" + name + "': it must begin with its scope"
	}
	for i := range len(rest) {
		if c := rest[i]; !isAlnum(c) && c != '_' && c != '.' {
			return "invalid variable name '" + name + "': character " + printable(c)
		}
	}
	return ""
}

// variableArg demands the name of a variable.
func variableArg(i int) func(*checker) *argFault {
	return func(c *checker) *argFault {
		if fault := varFault(c.text(i)); fault != "" {
			return faultf(i, varForm, "%s", fault)
		}
		return nil
	}
}

// optionalVariable lets the argument be absent or empty.
func optionalVariable(i int) func(*checker) *argFault {
	return func(c *checker) *argFault {
		if c.text(i) == "" {
			return nil
		}
		return variableArg(i)(c)
	}
}

// oneOf demands one of some words.
func oneOf(i int, words ...string) func(*checker) *argFault {
	return func(c *checker) *argFault {
		if !slices.Contains(words, c.text(i)) {
			return faultf(i, strings.TrimLeft(strings.Join(words, ", "), ", "), "unexpected value '%s'", c.text(i))
		}
		return nil
	}
}

// intOrVariable reads an integer or the name of a variable.
func (c *checker) intOrVariable(i int) (n int64, variable bool, fault *argFault) {
	if varFault(c.text(i)) == "" {
		return 0, true, nil
	}
	n, ok := int64Of(c.text(i))
	if !ok && c.text(i) != "" {
		return 0, false, faultf(i, "an integer, or "+varForm, "expects an integer or a variable name, got '%s'", c.text(i))
	}
	return n, false, nil
}

func checkOperand(c *checker) *argFault {
	_, _, fault := c.intOrVariable(0)
	return fault
}

func checkBytes(c *checker) *argFault {
	n, _, fault := c.intOrVariable(0)
	if fault == nil && n < 0 {
		fault = faultf(0, "0 or more", "expects a non-negative integer, got %d", n)
	}
	if fault != nil || len(c.args) < 2 {
		return fault
	}
	n, variable, fault := c.intOrVariable(1)
	if fault == nil && !variable && n <= 0 {
		fault = faultf(1, "1 or more", "expects a positive integer, got '%s'", c.text(1))
	}
	return fault
}

func checkHex(c *checker) *argFault {
	if fault := hexFault(c.text(0)); fault != "" {
		return faultf(0, hexForm, "%s", fault)
	}
	if c.text(0) == "" {
		return faultf(0, hexForm, "no hexadecimal digits")
	}
	return nil
}

const hexForm = "pairs of hexadecimal digits"

// hexFault tells what is wrong with a hexadecimal string.
func hexFault(s string) string {
	if len(s)%2 != 0 {
		return "an even number of hexadecimal digits is expected"
	}
	if _, err := hex.DecodeString(s); err != nil {
		return "'" + s + "' has a character that is not a hexadecimal digit"
	}
	return ""
}

func checkBool(c *checker) *argFault {
	return oneOf(0, "true", "false", "0", "1")(c)
}

// checkPayloadLV judges <offset of length>,<size of length>[,<offset>]; a sign
// makes the last one relative to the end of the length.
func checkPayloadLV(c *checker) *argFault {
	if c.number(0) < 0 {
		return faultf(0, "0 or more", "the offset of the length must not be negative")
	}
	if c.number(1) == 0 {
		return faultf(1, "1 or more", "the size of the length must be positive")
	}
	text := c.text(2)
	if text == "" {
		return nil
	}
	n, ok := int64Of(text)
	if !ok {
		return faultf(2, "an integer with or without a sign", "the offset '%s' is not a number", text)
	}
	if text[0] == '-' && c.number(0)+c.number(1)+n < 0 {
		return faultf(2, "an offset that is not before the payload's start", "the offset %d is too negative", n)
	}
	return nil
}

func checkAddItem(c *checker) *argFault {
	if c.text(1) != "" {
		return variableArg(1)(c)
	}
	if c.text(2) == "" {
		return faultf(1, "a variable or a suffix", "one of the optional arguments has to be there")
	}
	return nil
}

// base64OrVariable demands a variable or base64 text.
func (c *checker) base64OrVariable(i int, what string) *argFault {
	if varFault(c.text(i)) == "" {
		return nil
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(c.text(i)); err != nil {
		return faultf(i, "base64 text, or "+varForm, "failed to parse %s", what)
	}
	return nil
}

func checkAES(c *checker) *argFault {
	if !slices.Contains([]int64{128, 192, 256}, c.number(0)) {
		return faultf(0, "128, 192, 256", "the key size is a number of bits")
	}
	if fault := c.base64OrVariable(1, "nonce"); fault != nil {
		return fault
	}
	if fault := c.base64OrVariable(2, "key"); fault != nil {
		return fault
	}
	return c.base64OrVariable(3, "tag")
}

func checkBE2Dec(c *checker) *argFault {
	if n := c.number(1); n < 1 || n > 8 {
		return faultf(1, "1 to 8", "chunk size %d is out of range", n)
	}
	return c.truncate(2)
}

func checkBE2Hex(c *checker) *argFault {
	if len(c.args) > 1 && c.number(1) < 1 {
		return faultf(1, "1 or more", "the chunk size must be positive")
	}
	return c.truncate(2)
}

func (c *checker) truncate(i int) *argFault {
	if n := c.number(i); n != 0 && n != 1 {
		return faultf(i, "0, 1", "unsupported truncate value %d", n)
	}
	return nil
}

func checkField(c *checker) *argFault {
	if c.number(0) == 0 {
		return faultf(0, "an integer other than 0", "unexpected value 0 for index")
	}
	if c.text(1) == "" {
		return faultf(1, "one or more separators", "empty list of separators")
	}
	return nil
}

func checkJSONQuery(c *checker) *argFault {
	if c.text(0) == "" {
		return faultf(0, "a JSON path", "the JSON path must not be empty")
	}
	return oneOf(1, "", "int")(c)
}

func checkParam(c *checker) *argFault {
	if len(c.args) > 1 && len(c.text(1)) != 1 {
		return faultf(1, "one character", "the delimiter must be exactly one character")
	}
	return nil
}

func checkSetVar(c *checker) *argFault {
	if fault := variableArg(0)(c); fault != nil {
		return fault
	}
	for i := 1; i < len(c.args); i++ {
		if fault := setVarCondition(i, c.text(i)); fault != nil {
			return fault
		}
	}
	return nil
}

var setVarConditions = []string{"ifexists", "ifnotexists", "ifempty", "ifnotempty", "ifset", "ifnotset", "ifgt", "iflt"}

func setVarCondition(i int, text string) *argFault {
	if !slices.Contains(setVarConditions, text) {
		return faultf(i, strings.Join(setVarConditions, ", "), "unknown condition '%s'", text)
	}
	return nil
}

func checkSHA2(c *checker) *argFault {
	if len(c.args) > 0 && !slices.Contains([]int64{224, 256, 384, 512}, c.number(0)) {
		return faultf(0, "224, 256, 384, 512", "unsupported number of bits: %d", c.number(0))
	}
	return nil
}

func checkWhen(c *checker) *argFault {
	word := strings.TrimPrefix(c.text(0), "!")
	if word == "acl" {
		if c.p.findACL(c.text(1)) == nil {
			return faultf(1, "the name of an ACL declared further up", "no such ACL: '%s'", c.text(1))
		}
		return nil
	}
	words := []string{"stopping", "normal", "error", "forwarded", "toapplet", "processed", "acl"}
	if !slices.Contains(words, word) {
		return faultf(0, strings.Join(words, ", "), "unknown keyword '%s'", c.text(0))
	}
	return nil
}

func checkACLNames(c *checker) *argFault {
	for i := range c.args {
		name := strings.TrimPrefix(c.text(i), "!")
		if c.p.findACL(name) == nil {
			return faultf(i, "the name of an ACL declared further up", "no such ACL: '%s'", name)
		}
	}
	return nil
}

func checkSink(c *checker) *argFault {
	name := c.text(1)
	if _, ok := c.p.rings[name]; name != "" && !ok {
		return faultf(1, "stdout, stderr or a ring section further up", "no such sink '%s'", name)
	}
	return nil
}

func checkRegsub(c *checker) *argFault {
	flags := c.text(2)
	for i := range len(flags) {
		if flags[i] != 'i' && flags[i] != 'g' {
			return faultf(2, "i, g", "invalid flag '%c'", flags[i])
		}
	}
	if fault, unsupported := regexFault(c.text(0), true); fault != "" {
		return &argFault{msg: fault, accepted: regexForm, unsupported: unsupported}
	}
	return nil
}

var jwtAlgorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"}

func checkJWT(c *checker) *argFault {
	if varFault(c.text(0)) == "" {
		return nil
	}
	return oneOf(0, jwtAlgorithms...)(c)
}

func checkDistcc(c *checker) *argFault {
	if len(c.text(0)) != 4 {
		return faultf(0, "four characters", "the token '%s' is too short or too long", c.text(0))
	}
	return nil
}

func checkUUID(c *checker) *argFault {
	if n := c.number(0); n != 4 && n != 7 {
		return faultf(0, "4, 7", "unsupported UUID version: %d", n)
	}
	return nil
}

// tlvTypes are the types of PROXY protocol fields that have a name.
var tlvTypes = []string{"ALPN", "AUTHORITY", "CRC32C", "NOOP", "UNIQUE_ID", "SSL", "NETNS"}

func checkTLV(c *checker) *argFault {
	if c.text(0) == "" || slices.Contains(tlvTypes, c.text(0)) {
		return nil
	}
	if n, err := strconv.ParseInt(c.text(0), 0, 64); err != nil || n < 0 || n > 255 {
		return faultf(0, "0 to 255, "+strings.Join(tlvTypes, ", "), "invalid type '%s'", c.text(0))
	}
	return nil
}

func checkHeader(c *checker) *argFault {
	if n := c.number(1); n < -10 {
		return faultf(1, "-10 or more", "the occurrence %d is too far from the end", n)
	}
	return nil
}
