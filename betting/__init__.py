"""The Django project and the domain. Free of imports: pure modules import this package too."""
