from data_wsgi import application as data
from model_wsgi import application as model
from werkzeug.middleware.dispatcher import DispatcherMiddleware

app = DispatcherMiddleware(model, {"/data": data})
