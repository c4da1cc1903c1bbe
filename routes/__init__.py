"""HTTP: one blueprint per noun, and what every request passes through.

problems    our errors -> RFC 9457, the one place
transport   proxies, TLS, origins, headers: may this request talk to us at all
guard       who is calling
tokens      session tokens and the cookies that carry them
endpoint    parse -> call the view -> shape; what a view takes is declared above it
"""
