package config

import (
	"slices"
	"strconv"
	"strings"
)

// protobufTypes are the types of fields that can be extracted.
var protobufTypes = []string{
	"int32", "uint32", "sint32", "int64", "uint64", "sint64", "bool", "enum",
	"fixed64", "sfixed64", "double", "string", "bytes", "embedded", "fixed32", "sfixed32", "float",
}

func checkProtobuf(c *checker) *argFault {
	if c.text(1) == "" {
		return nil
	}
	return oneOf(1, protobufTypes...)(c)
}

func checkFIXTag(c *checker) *argFault {
	tag := c.text(0)
	if n, err := strconv.Atoi(tag); err == nil && n > 0 {
		return nil
	}
	if !slices.Contains(fixTags, tag) {
		return faultf(0, "the number of a tag, "+strings.Join(fixTags, ", "), "unknown FIX tag '%s'", tag)
	}
	return nil
}

// fixTags are the tags that have a name.
var fixTags = []string{"BeginString", "BodyLength", "MsgType", "SenderCompID", "TargetCompID", "CheckSum"}

// digests are the message digests by name; letter case does not matter.
var digests = strings.Fields(`
	md4 md5 md5-sha1 sha sha1 sha-1 sha224 sha-224 sha2-224 sha256 sha-256 sha2-256 sha384 sha-384 sha2-384
	sha512 sha-512 sha2-512 sha512-224 sha-512/224 sha2-512/224 sha512-256 sha-512/256 sha2-512/256
	sha3-224 sha3-256 sha3-384 sha3-512 shake128 shake-128 shake256 shake-256 blake2b512 blake2b-512 blake2s256 blake2s-256
	sm3 ripemd ripemd160 ripemd-160 rmd160 whirlpool ssl3-md5 ssl3-sha1
	rsa-md4 rsa-md5 rsa-sha1 rsa-sha1-2 rsa-sha224 rsa-sha256 rsa-sha384 rsa-sha512 rsa-sha512/224 rsa-sha512/256
	rsa-sm3 rsa-ripemd160`)

func checkDigest(c *checker) *argFault {
	if !slices.Contains(digests, strings.ToLower(c.text(0))) {
		return faultf(0, "md5, sha1, sha224, sha256, sha384, sha512, sha3-256, ...", "unknown digest '%s'", c.text(0))
	}
	return nil
}

func checkHMAC(c *checker) *argFault {
	if fault := checkDigest(c); fault != nil {
		return fault
	}
	return c.base64OrVariable(1, "key")
}

// mqttFields are the fields of the packets that can be looked into: by name and
// by the number of a property.
var mqttFields = map[string]string{
	"connect": "flags protocol_name protocol_version client_identifier will_topic will_payload username password keepalive" +
		" 17 33 39 34 25 23 21 22 18 1 2 3 8 9",
	"connack": "flags protocol_version reason_code 17 33 36 37 39 18 34 31 40 41 42 19 26 28 21 22",
}

// mqttPackets are the types of packets, in the order of their numbers from 1.
var mqttPackets = strings.Fields(`connect connack publish puback pubrec pubrel pubcomp subscribe suback
	unsubscribe unsuback pingreq pingresp disconnect auth`)

func checkMQTTField(c *checker) *argFault {
	packet := strings.ToLower(c.text(0))
	if n, err := strconv.Atoi(packet); err == nil && n > 0 && n <= len(mqttPackets) {
		packet = mqttPackets[n-1]
	}
	if !slices.Contains(mqttPackets, packet) {
		return faultf(0, strings.Join(mqttPackets, ", "), "unknown packet type '%s'", c.text(0))
	}
	fields := strings.Fields(mqttFields[packet])
	if !slices.Contains(fields, strings.ToLower(c.text(1))) {
		return faultf(1, strings.Join(fields, ", ")+" of connect or connack", "unknown field '%s' of packet type '%s'", c.text(1), packet)
	}
	return nil
}
