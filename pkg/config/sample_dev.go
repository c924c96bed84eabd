package config

// internalFetches are samples for the developers of HAProxy (manual, section 7.3.7) and about its processes.
var internalFetches = []fetchRow{
	{"bc_setting_streams_limit", "", TypeInt, onServer, Refused, ""},
	{"internal.htx.data", "", TypeInt, atContent, Refused, ""},
	{"internal.htx.free", "", TypeInt, atContent, Refused, ""},
	{"internal.htx.free_data", "", TypeInt, atContent, Refused, ""},
	{"internal.htx.has_eom", "", TypeBool, atContent, Refused, ""},
	{"internal.htx.nbblks", "", TypeInt, atContent, Refused, ""},
	{"internal.htx.size", "", TypeInt, atContent, Refused, ""},
	{"internal.htx.used", "", TypeInt, atContent, Refused, ""},
	{"internal.htx_blk.data", "string", TypeBinary, atContent, Refused, ""},
	{"internal.htx_blk.hdrname", "string", TypeString, atContent, Refused, ""},
	{"internal.htx_blk.hdrval", "string", TypeString, atContent, Refused, ""},
	{"internal.htx_blk.size", "string", TypeInt, atContent, Refused, ""},
	{"internal.htx_blk.start_line", "string", TypeString, atContent, Refused, ""},
	{"internal.htx_blk.type", "string", TypeString, atContent, Refused, ""},
	{"internal.strm.is_htx", "", TypeBool, atRuntime, Refused, ""},
	{"nbproc", "", TypeInt, anywhere, Done, "processes: 1"},
}
