package qemu

// factory is the project's first documented example, the configuration that the
// appliance is delivered with.
const factory = `frontend mysql
   mode tcp
   bind :3306
   default_backend mysql_servers
backend mysql_servers
   mode tcp
   balance leastconn
   server s1
   server s2
`

// echoAddr is a server of the test's own, behind frontend echo at echoVIP.
const (
	echoAddr = "198.18.0.13:7"
	echoVIP  = "198.18.0.10:7"
)

// candidates are configurations that the tests find in /etc/sluice/lab of the
// appliance.
var candidates = map[string]string{
	"factory.cfg": factory,
	"echo.cfg": factory + `frontend echo
   mode tcp
   bind :7
   default_backend echo_servers
backend echo_servers
   mode tcp
   server echo ` + echoAddr + `
`,
	"s2-only.cfg": `frontend mysql
   mode tcp
   bind :3306
   default_backend mysql_servers
backend mysql_servers
   mode tcp
   balance roundrobin
   server s2
`,
	"broken.cfg": `frontend mysql
   mode tcp
   bind :3306
   default_backend nowhere
backend mysql_servers
   mode tcp
   balance leastcon
   server s1
   sever s2
`,
}
